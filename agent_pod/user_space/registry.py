"""The orchestrators a pod can run: one YAML declaration each, read without importing user space."""

import sys
from pathlib import Path

import re2
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kernel.errors import SettingsInvalid

_QUIET = re2.Options()
_QUIET.log_errors = False


class OrchestratorDeclaration(BaseModel):
    """`name` is the queue. `command` starts the child process: {python} stands for the pod's interpreter, {here} for
    the folder of the declaration. In its place `script` names a Python script with an environment of its own;
    `environment` is where that is (see agent_pod/user_space/environments.py). `varies`: patterns of what differs
    between two runs of a task by no doing of the task's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    description: str
    command: list[str] | None = Field(None, min_length=1)
    script: str | None = Field(None, min_length=1)
    memory_mb: int = Field(1024, ge=16)
    varies: list[str] = []
    folder: Path
    environment: Path | None = None

    @model_validator(mode="after")
    def _one_way_to_start(self) -> "OrchestratorDeclaration":
        if (self.command is None) == (self.script is None):
            raise ValueError("it needs either `command` or `script`")
        return self

    @field_validator("varies")
    @classmethod
    def _patterns(cls, given: list[str]) -> list[str]:
        for pattern in given:
            try:
                re2.compile(pattern, _QUIET)
            except re2.error as error:
                said = error.args[0].decode(errors="replace")
                raise ValueError(f"{pattern!r} is no pattern of RE2: {said}") from None
        return given

    @property
    def script_path(self) -> Path:
        """Where the script is."""
        assert self.script is not None
        return self.folder / self.script

    @property
    def argv(self) -> list[str]:
        """What starts it."""
        if self.command is None:
            assert self.environment is not None
            return [str(self.environment / "bin" / "python"), str(self.script_path)]
        return [word.replace("{python}", sys.executable).replace("{here}", str(self.folder)) for word in self.command]


def read_orchestrators(folder: Path, serves: list[str]) -> dict[str, OrchestratorDeclaration]:
    """Declarations in `folder` by name; only those named in `serves`, unless it is empty.

    Raises SettingsInvalid that names the file or the missing orchestrator.
    """
    found: dict[str, OrchestratorDeclaration] = {}
    for path in sorted(folder.glob("*.yaml")):
        declaration = _read(path)
        if declaration.name in found:
            raise SettingsInvalid(f"{path}: orchestrator {declaration.name!r} is declared twice. Rename one.")
        found[declaration.name] = declaration
    missing = sorted(set(serves) - set(found))
    if missing or not found:
        known = ", ".join(found) or "none"
        raise SettingsInvalid(
            f"FLEET_SERVES: {missing or 'nothing'} cannot be served; {folder} declares {known}. "
            "Name declared orchestrators, or set FLEET_ORCHESTRATORS to their folder."
        )
    return {name: found[name] for name in serves} if serves else found


def _read(path: Path) -> OrchestratorDeclaration:
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        return OrchestratorDeclaration.model_validate({**given, "folder": path.resolve().parent, "environment": None})
    except (yaml.YAMLError, TypeError, ValidationError) as error:
        raise SettingsInvalid(f"{path} is no orchestrator declaration: {error}") from None
