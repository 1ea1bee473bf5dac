"""What goes into /complete and comes out: the shape that clients of Process GPT send, {"input": {...}}."""

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema

from execution_api.bodies.rows import (
    LARGEST_VERSION,
    DefinitionId,
    InstanceLinks,
    Person,
    Request,
    SentVersion,
    Variables,
)
from kernel.models import ProcessStatus, Task

_Unused = Annotated[Any, Field(description="accepted and not used")]

NEW = "new"
_DIGITS = "[1-9][0-9]{0,8}"


def _new_or_id(value: str) -> str:
    try:
        return value if value == NEW else str(UUID(value))
    except ValueError:
        raise ValueError('Value should be "new" or the id of a process instance') from None


def _number_in_text(value: object) -> object:
    return int(value) if isinstance(value, str) and re.fullmatch(_DIGITS, value) else value


_VersionOrText = Annotated[
    SentVersion,
    BeforeValidator(_number_in_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": LARGEST_VERSION},
                {"type": "string", "pattern": f"^{_DIGITS}$"},
            ]
        }
    ),
]


class CompletionInput(Request):
    """What is started or submitted."""

    process_instance_id: Annotated[str, AfterValidator(_new_or_id)] = Field(
        description="`new` starts an instance; the id of one submits a task in it"
    )
    process_definition_id: DefinitionId | None = Field(None, description="required with `new`")
    version: _VersionOrText | None = Field(
        None, description="with `new`: the version to start, a number or its text; none: the newest"
    )
    activity_id: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None,
        description="BPMN id of the activity whose open task is submitted. With `new` it submits nothing: it chooses "
        "which of the new tasks the answer shows as `task`.",
    )
    task_id: UUID | None = Field(None, description="the task to submit; goes before activity_id")
    email: Person | None = Field(
        None,
        description="with `new`: on whose behalf; none: the caller. A user token may name its own user only. The "
        "process sees it as variable `initiator`.",
    )
    form_values: dict[str, Any] | None = Field(
        None,
        description="What the person entered, as {field: value} or as {form_id: {field: value}}. Where every value is "
        "an object they are taken as forms, and their fields become variables side by side; otherwise the keys are "
        "the fields. Use `variables` for fields that are all objects.",
    )
    variables: Variables | None = Field(
        None, description="further variables (with `new`) or output fields, as they are"
    )
    tenant_id: str | None = Field(None, description="refused where it is not the tenant of the credentials")
    role_mappings: _Unused = None
    project_id: _Unused = None
    version_tag: _Unused = None
    source_list: _Unused = None
    answer: _Unused = None
    chat_room_id: _Unused = None
    revert_from: _Unused = None


UNUSED_FIELDS = (
    "role_mappings", "project_id", "version_tag", "source_list", "answer", "chat_room_id", "revert_from",
)  # fmt: skip


class CompletionRequest(Request):
    """The body of /complete."""

    input: CompletionInput


class Completion(BaseModel):
    """How the process instance stands after what was asked, and after the wait."""

    process_instance_id: UUID
    process_definition_id: str
    version: int
    status: ProcessStatus
    error: str | None = Field(description="why the instance is in ERROR")
    variables: dict[str, Any]
    task: Task | None = Field(description="the task that was submitted, or with `new` the first one that is open")
    tasks: list[Task] = Field(description="open tasks, oldest first: neither DONE nor CANCELLED")
    unused: list[str] = Field(description="fields of the request that were accepted and not used")
    links: InstanceLinks
