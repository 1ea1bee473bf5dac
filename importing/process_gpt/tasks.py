"""Turns an activity into the settings of a service task or a user task."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from importing.process_gpt.findings import Findings, Outcome
from importing.process_gpt.model import GptDefinition, Json, Node
from importing.process_gpt.people import Assignment, agents_of, assignment_of, literal
from importing.process_gpt.vocabulary import Vocabulary, form_named_by, value_or_null

ChooseOrchestrator = Callable[[str], str]
"""Gives the orchestrator here for the name of an orchestration there ("" where the activity names none)."""

_MODES = {"none": "none", "draft": "draft", "complete": "complete", "": ""}
_TOOL = "mcp:"


@dataclass(frozen=True)
class TaskSettings:
    """The settings of one task, as they stand in its extension elements.

    `headers` are in order and none is empty; `inputs` maps the target of an input mapping to its expression; `calls` is
    the definition that a call activity runs.
    """

    task_type: str = ""
    form: str = ""
    assignment: Assignment = field(default_factory=Assignment)
    headers: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    calls: str = ""


@dataclass(frozen=True)
class Workshop:
    """What turning activities into tasks needs."""

    definition: GptDefinition
    words: Vocabulary
    orchestrator: ChooseOrchestrator
    findings: Findings


def task_settings(node: Node, element: str, shop: Workshop) -> TaskSettings:
    """The settings of a userTask or serviceTask; `element` is its id in the BPMN file."""
    mode = _mode(node, element, shop.findings)
    form = shop.words.form(form_named_by(node) or "") if form_named_by(node) else None
    schema = shop.words.schema(form) if form else None
    _report_what_has_no_place(node, element, form, schema, shop)
    orchestrator = _orchestrator(node, element, shop) if mode != "none" else ""
    is_service = node.kind == "serviceTask"
    headers = {
        "agentMode": "" if is_service and mode == "complete" else mode if mode != "none" else "",
        "orchestrator": "" if is_service else orchestrator,
        "agent": _agent(node, element, shop) if mode != "none" else "",
        "instruction": literal(_instruction(node, element, shop.findings)),
        "outputSchema": _answer(schema, mode) if mode != "none" and schema else "",
    }
    return TaskSettings(
        task_type=orchestrator if is_service else "",
        form=form if form and schema and not is_service else "",
        assignment=Assignment() if mode == "complete" else assignment_of(node, shop.definition, shop.findings),
        headers={key: value for key, value in headers.items() if value},
        inputs=_inputs(node, element, shop),
    )


def by_hand(node: Node, what: str, element: str, shop: Workshop) -> TaskSettings:
    """A person's task in place of what the engine cannot run: its instruction says what has to be done."""
    original = _original(node)
    shop.findings.add(Outcome.BY_HAND, element, f"{what} cannot be run here: a person does it.", original)
    instruction = f"{what} stood here in Process GPT and was not carried over. Do by hand what it did, then submit."
    told = node.text("instruction") or node.text("description")
    text = "\n\n".join(part for part in (instruction, told, original) if part)
    assignment = assignment_of(node, shop.definition, shop.findings)
    return TaskSettings(assignment=assignment, headers={"instruction": literal(text)})


def _mode(node: Node, element: str, findings: Findings) -> str:
    given = node.text("agentMode").lower()
    mode = _MODES.get(given)
    if mode is None:
        findings.add(Outcome.CHANGED, element, "The agentMode is unknown and was taken for none.", given)
    if node.kind == "serviceTask":
        return "draft" if mode == "draft" else "complete"
    if not mode and agents_of(node):
        findings.add(
            Outcome.CHANGED, element, "It names an agent and no agentMode: an agent drafts, a person submits.", given
        )
        return "draft"
    return mode or "none"


def _orchestrator(node: Node, element: str, shop: Workshop) -> str:
    given = node.text("orchestration")
    chosen = shop.orchestrator(given)
    if chosen != given:
        said = (
            f'The orchestration is "{chosen}" here.' if given else f'It names no orchestration; it is "{chosen}" here.'
        )
        shop.findings.add(Outcome.CHANGED, element, said, given)
    return chosen


def _agent(node: Node, element: str, shop: Workshop) -> str:
    agents = agents_of(node)
    if not agents:
        return ""
    said = f'The agent "{agents[0]}" needs a profile: PUT /agents/{agents[0]}.'
    shop.findings.add(Outcome.TO_SET_UP, shop.definition.id, said)
    for other in agents[1:]:
        shop.findings.add(Outcome.LEFT_OUT, element, "A task has one agent; this one is left out.", other)
    return agents[0]


def _instruction(node: Node, element: str, findings: Findings) -> str:
    parts = [node.text("instruction") or node.text("description")]
    checks = node.texts("checkpoints")
    if checks:
        parts.append("\n".join(["Checkpoints:", *(f"- {check}" for check in checks)]))
    tool = node.text("tool")
    if tool.startswith(_TOOL):
        parts.append(f"Use the tool {tool.removeprefix(_TOOL)}.")
        findings.add(Outcome.TO_SET_UP, element, "The tool must be one that the agent has here.", tool)
    return "\n\n".join(part for part in parts if part)


def _inputs(node: Node, element: str, shop: Workshop) -> dict[str, str]:
    """Input mappings for `inputData`. Where a line of it is no field of a form, the task sees all variables."""
    given = node.texts("inputData")
    found = [shop.words.reference(text) for text in given]
    for text, reference in zip(given, found, strict=True):
        if reference is None:
            shop.findings.add(
                Outcome.CHANGED, element, "This input is no field of a form: the task sees all variables.", text
            )
    if not found or None in found:
        return {}
    return {reference[1]: f"={value_or_null(reference[1])}" for reference in found if reference}


def _answer(schema: Json, mode: str) -> str:
    """What an agent must answer: the fields of the form, and all that can be filled in where no person follows."""
    if mode == "complete":
        writable = [key for key, field in schema["properties"].items() if not field.get("readOnly")]
        schema = {**schema, "required": writable}
    return json.dumps(schema, ensure_ascii=False)


def _report_what_has_no_place(node: Node, element: str, form: str | None, schema: Json | None, shop: Workshop) -> None:
    add = shop.findings.add
    duration = node.raw.get("duration")
    if duration:
        add(Outcome.LEFT_OUT, element, "The due date (days after the start) is left out.", str(duration))
    for key, said in (("attachments", "Attachments are left out."), ("skills", "Skills are left out."),
                      ("customProperties", "Properties of its own are left out.")):  # fmt: skip
        if node.raw.get(key):
            add(Outcome.LEFT_OUT, element, said, json.dumps(node.raw[key], ensure_ascii=False)[:500])
    if form and form in shop.words.invented:
        known = ", ".join(shop.words.fields[form])
        add(Outcome.CHANGED, element, f'The form "{form}" is not in the file: it got the fields others name.', known)
    elif form and not schema:
        add(Outcome.LEFT_OUT, element, f'The form "{form}" is not in the file, and nothing names a field of it.')
    if node.text("tool") and not form and not node.text("tool").startswith(_TOOL):
        add(Outcome.LEFT_OUT, element, "The tool is left out.", node.text("tool"))


def _original(node: Node) -> str:
    code = node.text("pythonCode")
    settings = {key: value for key, value in node.properties.items() if value not in (None, "", [], {})}
    settings.pop("pythonCode", None)
    parts = [code, json.dumps(settings, ensure_ascii=False)[:2000] if settings else ""]
    return "\n\n".join(part for part in parts if part)
