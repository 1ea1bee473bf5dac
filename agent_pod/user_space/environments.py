"""Environments of their own, for orchestrators that are scripts with dependencies of their own (PEP 723).

uv makes one from the script's lock file, before the pod takes a task. From then on it is used as it is, offline: the
script is started with the environment's Python.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import uv

from agent_pod.user_space.registry import OrchestratorDeclaration
from kernel.errors import SettingsInvalid

_MOST_SECONDS = 1800
_SHOWN_CHARACTERS = 2000
# uv runs what packages bring to build them, so it gets the way to the registry and nothing else of the pod's.
_PASSED = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
_PASSED_PREFIXES = ("UV_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


def needs_environment(declaration: OrchestratorDeclaration) -> bool:
    """Whether the orchestrator is a script with an environment of its own."""
    return declaration.script is not None


def with_environment(declaration: OrchestratorDeclaration, folder: Path) -> OrchestratorDeclaration:
    """The declaration with the place of its environment below `folder`, where it may or may not be yet.

    The place is named after the lock file and the Python, so that a change of either makes another environment.
    Raises SettingsInvalid where the script or its lock file is not there.
    """
    script = declaration.script_path
    lock = script.with_name(script.name + ".lock")
    for path, remedy in ((script, "Name a file beside the declaration."), (lock, f"Run `uv lock --script {script}`.")):
        if not path.is_file():
            raise SettingsInvalid(f"orchestrator {declaration.name!r}: there is no {path}. {remedy}")
    made_of = hashlib.sha256(lock.read_bytes() + f"{sys.version} {sys.base_prefix}".encode()).hexdigest()[:12]
    return declaration.model_copy(update={"environment": folder / f"{declaration.name}-{made_of}"})


def is_ready(declaration: OrchestratorDeclaration) -> bool:
    """Whether the environment of a declaration `with_environment` has been made."""
    return _mark(declaration).is_file()


def make(declaration: OrchestratorDeclaration) -> None:
    """Make the environment of a declaration `with_environment`; nothing happens where it is ready.

    Several pods may call it at once: one makes it, the others wait. Raises SettingsInvalid with what uv said.
    """
    environment = declaration.environment
    assert environment is not None
    try:
        environment.mkdir(0o755, parents=True, exist_ok=True)
        with (environment.parent / f".{environment.name}.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if not is_ready(declaration):
                _sync(declaration, environment)
                _mark(declaration).touch()
    except OSError as error:
        raise SettingsInvalid(
            f"orchestrator {declaration.name!r}: its environment cannot be made: {error}. "
            "Set FLEET_ENVIRONMENTS to a folder that can be written."
        ) from None


def equip(
    declarations: dict[str, OrchestratorDeclaration], folder: Path, named: Iterable[str]
) -> tuple[dict[str, OrchestratorDeclaration], list[str]]:
    """The orchestrators that can run here, and the names of those that have no environment yet.

    Environments of the `named` ones are made; SettingsInvalid is raised where one cannot be.
    """
    ready: dict[str, OrchestratorDeclaration] = {}
    left_out: list[str] = []
    for name, declaration in declarations.items():
        if not needs_environment(declaration):
            ready[name] = declaration
            continue
        placed = with_environment(declaration, folder)
        if name in named:
            make(placed)
        if is_ready(placed):
            ready[name] = placed
        else:
            left_out.append(name)
    return ready, left_out


def _sync(declaration: OrchestratorDeclaration, environment: Path) -> None:
    passed = {name: value for name, value in os.environ.items() if name.upper().startswith(_PASSED_PREFIXES)}
    passed |= {name: os.environ[name] for name in _PASSED if name in os.environ}
    told = {"VIRTUAL_ENV": str(environment), "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"}
    # Compiled here, because the user that orchestrators run as may not write into it.
    command = [uv.find_uv_bin(), "sync", "--quiet", "--script", str(declaration.script_path)]
    try:
        subprocess.run(
            [*command, "--active", "--locked", "--compile-bytecode"],
            env=passed | told, cwd=environment, umask=0o022, timeout=_MOST_SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        said = f"it was not there after {_MOST_SECONDS} s"
    except subprocess.CalledProcessError as failed:
        said = failed.stdout.decode(errors="replace").strip()[-_SHOWN_CHARACTERS:]
    else:
        return
    raise SettingsInvalid(f"orchestrator {declaration.name!r}: its environment cannot be made: {said}")


def _mark(declaration: OrchestratorDeclaration) -> Path:
    assert declaration.environment is not None
    return declaration.environment / "ready"
