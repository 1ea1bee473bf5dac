"""The task that opens when a token reaches a service or user task."""

from dataclasses import dataclass, field
from typing import NoReturn

from process_engine.reading.settings.retry_settings import RetryPolicy
from process_engine.reading.settings.work_settings import AgentMode, WorkSettings
from process_engine.values import expressions
from process_engine.values.errors import ExpressionError, StepFailed
from process_engine.values.plain_json import Json
from process_engine.values.variables import Variables, task_input


@dataclass(frozen=True)
class NewTask:
    """A task to put into the queue. Its schemas, form and headers are those of the spec: not to be changed.

    Attributes:
        process_definition_id: the called process that the activity belongs to; None: the instance's own.
        token_id: a UUID; what `steps.complete` wants back.
        activity_id: the BPMN id of the service or user task.
        activity_name: what people call it; the id when the model gives no name.
        iteration: how often this activity was activated in this process instance, this time included; from 1.
        orchestrator: who runs the agent; None for a person's task.
        agent: the agent's name, or None.
        agent_mode: none (a person), draft (an agent drafts, a person submits), complete (the agent finishes).
        instruction: what to do, in words; may be empty.
        input: what the task gets to see.
        output_schema: JSON Schema of the agent's answer, or None.
        form: JSON Schema of the person's form, or None.
        assignee: the one person it is for, or None.
        candidate_groups: the groups any of whose members may take it.
        max_attempts: 1 or more.
        retry_policy: see RetryPolicy; None: the defaults.
        priority: 1 (lowest) to 5 (highest).
        timeout_seconds: wall time of one attempt.
        limits: what all attempts together may use, as in `task_limits.LIMIT_HEADERS`; may be empty.
        headers: task headers of the model that have no meaning of their own.
    """

    process_definition_id: str | None
    token_id: str
    activity_id: str
    activity_name: str
    iteration: int
    orchestrator: str | None
    agent: str | None
    agent_mode: AgentMode
    instruction: str
    input: dict[str, Json]
    output_schema: dict[str, Json] | None
    form: dict[str, Json] | None
    assignee: str | None
    candidate_groups: list[str]
    max_attempts: int
    priority: int
    timeout_seconds: int
    headers: dict[str, str]
    retry_policy: RetryPolicy | None = None
    limits: dict[str, Json] = field(default_factory=dict[str, Json])


def new_task(
    token_id: str,
    activity_id: str,
    iteration: int,
    settings: WorkSettings,
    variables: Variables,
    process_definition_id: str | None = None,
) -> NewTask:
    """Open a task: evaluate its input, instruction and assignment over the variables.

    Raises:
        StepFailed: one of them cannot be evaluated or gives the wrong type.
    """
    return NewTask(
        process_definition_id=process_definition_id,
        token_id=token_id,
        activity_id=activity_id,
        activity_name=settings["name"],
        iteration=iteration,
        orchestrator=settings["orchestrator"],
        agent=settings["agent"],
        agent_mode=settings["agent_mode"],
        instruction=_instruction(activity_id, settings, variables),
        input=task_input(activity_id, settings["inputs"], variables),
        output_schema=settings["output_schema"],
        form=settings["form"],
        assignee=_assignee(activity_id, settings, variables),
        candidate_groups=_candidate_groups(activity_id, settings, variables),
        max_attempts=settings["max_attempts"],
        priority=settings["priority"],
        timeout_seconds=settings["timeout_seconds"],
        headers=settings["headers"],
        retry_policy=settings.get("retry_policy"),
        limits=settings.get("limits", {}),
    )


def _instruction(activity_id: str, settings: WorkSettings, variables: Variables) -> str:
    value = _resolve(activity_id, "instruction", settings["instruction"], variables)
    if not isinstance(value, str):
        _wrong_type(activity_id, "instruction", "text", value)
    return value


def _assignee(activity_id: str, settings: WorkSettings, variables: Variables) -> str | None:
    value = _resolve(activity_id, "assignee", settings["assignee"], variables)
    if value is not None and not isinstance(value, str):
        _wrong_type(activity_id, "assignee", "text or null", value)
    return value or None


def _candidate_groups(activity_id: str, settings: WorkSettings, variables: Variables) -> list[str]:
    value = _resolve(activity_id, "candidateGroups", settings["candidate_groups"], variables)
    names = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        _wrong_type(activity_id, "candidateGroups", "text with commas, or a list of texts", value)
    return [name.strip() for name in names if name.strip()]


def _resolve(activity_id: str, setting: str, text: str | None, variables: Variables) -> Json:
    try:
        return None if text is None else expressions.resolve_text(text, variables)
    except ExpressionError as error:
        raise StepFailed(activity_id, f"{setting} cannot be evaluated: {error}") from error


def _wrong_type(activity_id: str, setting: str, wanted: str, value: Json) -> NoReturn:
    raise StepFailed(activity_id, f"{setting} must be {wanted}; its expression gives {value!r}")
