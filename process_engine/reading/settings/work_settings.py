"""The settings of a service or user task: who works on it, with which instruction, within which limits."""

import re
from typing import Literal, NotRequired, TypedDict

from process_engine.reading.settings.extensions import Extensions, read_extensions
from process_engine.reading.settings.forms import Forms, form_of
from process_engine.reading.settings.mappings import check_expression, read_mappings
from process_engine.reading.settings.retry_settings import RETRY_HEADERS, RetryPolicy, read_retry_policy
from process_engine.reading.settings.task_limits import LIMIT_HEADERS, read_limits
from process_engine.reading.xml_source import Element, Problems, local_name
from process_engine.values import expressions
from process_engine.values.plain_json import Json
from process_engine.values.schemas import parse_schema
from process_engine.values.variables import Mapping

AgentMode = Literal["none", "draft", "complete"]
"""none: a person does it; draft: an agent drafts, a person submits; complete: the agent finishes it."""

DEFAULT_ATTEMPTS = 3
DEFAULT_PRIORITY = 3
DEFAULT_TIMEOUT_SECONDS = 900
MOST_ATTEMPTS, MOST_TIMEOUT_SECONDS = 100, 86_400  # as init.sql has them

_ALLOWED = frozenset({"taskDefinition", "taskHeaders", "ioMapping", "assignmentDefinition", "formDefinition"})
_OWN_HEADERS = (
    RETRY_HEADERS
    | set(LIMIT_HEADERS)
    | {"agent", "instruction", "agentMode", "orchestrator", "outputSchema", "priority", "timeoutSeconds"}
)


class RetryDefaults(TypedDict):
    """What a process says about the retries of its tasks, for those that say nothing themselves."""

    max_attempts: int
    policy: RetryPolicy


class WorkSettings(TypedDict):
    """What the definition says about one task, in plain JSON.

    `instruction`, `assignee` and `candidate_groups` are literal text, or CEL when they start with `=`.
    `timeout_seconds` is the wall time of one attempt; `limits` what all of them together may use, as in
    `task_limits.LIMIT_HEADERS`, where the definition says something of it. `retry_policy` is absent from definitions
    that were stored before there were any. `headers` holds the task headers this engine has no meaning for.
    """

    name: str
    orchestrator: str | None
    agent: str | None
    agent_mode: AgentMode
    instruction: str
    inputs: list[Mapping]
    outputs: list[Mapping]
    output_schema: dict[str, Json] | None
    form: dict[str, Json] | None
    assignee: str | None
    candidate_groups: str | None
    max_attempts: int
    retry_policy: NotRequired[RetryPolicy | None]
    priority: int
    timeout_seconds: int
    limits: NotRequired[dict[str, Json]]
    headers: dict[str, str]


def read_retry_defaults(process: Extensions) -> RetryDefaults:
    """Read what the properties of a process element say about the retries of its tasks."""
    properties = process.properties
    retries = properties.get("retries")
    attempts = None
    if retries is not None:
        value = retries.get("value", "")
        attempts = _number(process, f"property retries {value!r}", value, retries, 1, MOST_ATTEMPTS)
    return RetryDefaults(
        max_attempts=attempts or DEFAULT_ATTEMPTS, policy=read_retry_policy(process, properties, RetryPolicy())
    )


def read_work_settings(element: Element, forms: Forms, retries: RetryDefaults, problems: Problems) -> WorkSettings:
    """Read the settings of a serviceTask or userTask element.

    Args:
        element: the element, for which `activities.is_work` holds.
        forms: the forms of the process.
        retries: what the process says about retries.
        problems: where to report what is wrong; the settings returned are of no use then.
    """
    task = read_extensions(element, _ALLOWED, problems)
    mode = _agent_mode(task)
    orchestrator = _orchestrator(task, mode)
    settings = WorkSettings(
        name=element.get("name") or element.get("id", ""),
        orchestrator=orchestrator if mode != "none" else None,
        agent=_literal_header(task, "agent") if mode != "none" else None,
        agent_mode=mode,
        instruction=_text_or_expression(task, task.header("instruction"), task.headers.get("instruction")) or "",
        inputs=read_mappings(task, "input"),
        outputs=read_mappings(task, "output"),
        output_schema=_output_schema(task),
        form=form_of(task, forms),
        assignee=_assignment(task, "assignee"),
        candidate_groups=_assignment(task, "candidateGroups"),
        max_attempts=_attempts(task, retries["max_attempts"]),
        retry_policy=read_retry_policy(task, task.headers, retries["policy"]) or None,
        priority=_number_header(task, "priority", DEFAULT_PRIORITY, lowest=1, highest=5),
        timeout_seconds=_number_header(task, "timeoutSeconds", DEFAULT_TIMEOUT_SECONDS, 1, MOST_TIMEOUT_SECONDS),
        headers={key: header.get("value", "") for key, header in task.headers.items() if key not in _OWN_HEADERS},
    )
    if limits := read_limits(task):
        settings["limits"] = limits
    return settings


def _agent_mode(task: Extensions) -> AgentMode:
    is_service = local_name(task.element) != "userTask"
    default: AgentMode = "complete" if is_service else "none"
    value = task.header("agentMode") or default
    if value == "draft" or value == "complete":  # noqa: PLR1714  # a set would lose the literal types
        return value
    if value != "none":
        task.complain(f"has the agentMode {value!r}; it is none, draft or complete", at=task.headers["agentMode"])
    elif is_service:
        task.complain("has the agentMode none; without an agent it is a userTask", at=task.headers["agentMode"])
    elif "agentMode" not in task.headers and (
        {"agent", "orchestrator"} & set(task.headers) or "taskDefinition" in task.parts
    ):
        task.complain(
            "names an agent or orchestrator but no agentMode; add a header agentMode: draft, complete or none"
        )
    return "none"


def _orchestrator(task: Extensions, mode: AgentMode) -> str | None:
    by_type, by_header = task.attribute("taskDefinition", "type"), _literal_header(task, "orchestrator")
    if by_type and by_header and by_type != by_header:
        task.complain(
            f"names two orchestrators: {by_type!r} in zeebe:taskDefinition and {by_header!r} in its headers",
            at=task.headers["orchestrator"],
        )
    if by_type and expressions.is_expression(by_type):
        task.complain(
            f"has the task type {by_type!r}; an orchestrator is named by literal text", at=task.parts["taskDefinition"]
        )
    if local_name(task.element) != "userTask" and not by_type:
        task.complain('has no task type; add zeebe:taskDefinition type="..." with the name of an orchestrator')
    elif mode != "none" and not (by_type or by_header):
        task.complain(
            f"has the agentMode {mode} but nobody to do it; add a header orchestrator", at=task.headers["agentMode"]
        )
    return by_type or by_header


def _attempts(task: Extensions, default: int) -> int:
    value = task.attribute("taskDefinition", "retries")
    if value is None:
        return default
    return _number(task, f"retries {value!r}", value, task.parts["taskDefinition"], 1, MOST_ATTEMPTS) or default


def _number_header(task: Extensions, key: str, default: int, lowest: int, highest: int) -> int:
    value = task.header(key)
    if value is None:
        return default
    return _number(task, f"header {key} {value!r}", value, task.headers[key], lowest, highest) or default


def _number(task: Extensions, what: str, value: str, at: Element, lowest: int, highest: int) -> int | None:
    number = int(value) if re.fullmatch(r"[0-9]{1,9}", value.strip()) else -1
    if lowest <= number <= highest:
        return number
    task.complain(f"has the {what}; it is a whole number, {lowest} to {highest}", at=at)
    return None


def _literal_header(task: Extensions, key: str) -> str | None:
    value = task.header(key)
    if value and expressions.is_expression(value):
        task.complain(f"has the header {key} {value!r}; it is literal text and not an expression", at=task.headers[key])
    return value


def _text_or_expression(task: Extensions, value: str | None, at: Element | None) -> str | None:
    if value and expressions.is_expression(value):
        check_expression(task, value, at)
    return value


def _output_schema(task: Extensions) -> dict[str, Json] | None:
    text = task.header("outputSchema")
    if text is None:
        return None
    try:
        return parse_schema(text)
    except ValueError as error:
        task.complain(f"has an outputSchema that cannot be read: {error}", at=task.headers["outputSchema"])
        return None


def _assignment(task: Extensions, name: str) -> str | None:
    definition = task.parts.get("assignmentDefinition")
    if definition is not None and name == "assignee" and definition.get("candidateUsers"):
        task.complain("has candidateUsers, which is not supported; use assignee or candidateGroups", at=definition)
    return _text_or_expression(task, task.attribute("assignmentDefinition", name), definition)
