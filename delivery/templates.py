"""The words of mails and pushes: YAML, one entry for each type of notification."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from kernel.errors import SettingsInvalid
from kernel.models import Json
from kernel.notification_models import NotificationType

FIELDS = ("type", "message", "user_id", "tenant_id", "proc_inst_id", "task_id", "timestamp")
_LONGEST_TITLE = 200


class _Template(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    push: str
    mail: str


@dataclass(frozen=True)
class Words:
    """What a person reads. `title` is one line."""

    title: str
    push: str
    mail: str


class Templates:
    """All templates of a file."""

    def __init__(self, by_type: Mapping[NotificationType, _Template]):
        self._by_type = by_type

    @classmethod
    def read(cls, path: Path) -> "Templates":
        """Read a file such as templates.yaml.

        Raises SettingsInvalid that names the file and the fault: no such file, no YAML, a type that is missing or
        unknown, a field between braces that is not among FIELDS.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            by_type = TypeAdapter(dict[NotificationType, _Template]).validate_python(content)
            for template in by_type.values():
                for text in (template.title, template.push, template.mail):
                    _check_fields(text)
        except (OSError, yaml.YAMLError, ValidationError, ValueError) as error:
            raise SettingsInvalid(f"FLEET_DELIVERY_TEMPLATES: {path} holds no templates: {error}") from None
        missing = sorted(set(NotificationType) - set(by_type))
        if missing:
            raise SettingsInvalid(f"FLEET_DELIVERY_TEMPLATES: {path} has no template for {', '.join(missing)}. Add it.")
        return cls(by_type)

    def words(self, payload: Json) -> Words | None:
        """The words for a notification as kernel.notify of init.sql writes it; None for a type that has no template."""
        try:
            template = self._by_type[NotificationType(payload["type"])]
        except (KeyError, ValueError):
            return None
        given = {**payload.get("data", {}), "type": payload["type"], "timestamp": payload.get("timestamp")}
        fields = {name: "-" if given.get(name) is None else str(given[name]) for name in FIELDS}
        title = " ".join(template.title.format(**fields).split())[:_LONGEST_TITLE]  # a header of a mail: one line
        return Words(title, template.push.format(**fields), template.mail.format(**fields))


def _check_fields(text: str) -> None:
    for _, name, form, conversion in Formatter().parse(text):
        if name is not None and (name not in FIELDS or form or conversion):
            raise ValueError(f"{{{name}}} is no field: use {', '.join(FIELDS)}")
