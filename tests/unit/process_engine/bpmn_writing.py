"""Writes small BPMN files for tests, and runs them the way a caller does: through JSON between all steps."""

import json
from html import escape
from itertools import pairwise
from typing import Any

from process_engine.reading.definition import Definition, parse
from process_engine.reading.openings import Leaving, Opening
from process_engine.running.steps import Step, complete, receive, start
from process_engine.running.work import NewTask
from process_engine.values.library import Library

OPENING = (
    '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"'
    ' xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"'
    ' id="definitions" targetNamespace="test">\n'
)
WORKER = '<zeebe:taskDefinition type="worker"/>'


def bpmn(content: str) -> bytes:
    """A file with `content` as its root's content, which begins in line 2."""
    return f"{OPENING}{content}\n</bpmn:definitions>".encode()


def process(content: str, attributes: str = 'id="p" isExecutable="true"') -> bytes:
    """A file with one process, whose content begins in line 3."""
    return bpmn(f"<bpmn:process {attributes}>\n{content}\n</bpmn:process>")


def extensions(content: str) -> str:
    return f"<bpmn:extensionElements>{content}</bpmn:extensionElements>"


def many(attributes: str = "", inside: str = "", sequential: bool = False) -> str:
    """A multi-instance marker; `attributes` are those of zeebe:loopCharacteristics."""
    zeebe = extensions(f"<zeebe:loopCharacteristics {attributes}/>") if attributes else ""
    mark = ' isSequential="true"' if sequential else ""
    return f"<bpmn:multiInstanceLoopCharacteristics{mark}>{zeebe}{inside}</bpmn:multiInstanceLoopCharacteristics>"


def scope(nodes: str, flows: str, inner: dict[str, str] | None = None) -> str:
    """The content of a process, one element a line.

    nodes: "startEvent s, serviceTask A B, exclusiveGateway x"; service tasks have the orchestrator "worker".
    flows: "s -> A -> x, x -> B [n > 1], x -> e [default]"; flow ids are "<source>_<target>".
    inner: node id -> content of that node, in place of what it would have.
    """
    defaults, flow_lines = _flows(flows)
    lines: list[str] = []
    for group in nodes.split(","):
        kind, *ids = group.split()
        for node_id in ids:
            content = (inner or {}).get(node_id, extensions(WORKER) if kind == "serviceTask" else "")
            default = f' default="{defaults[node_id]}"' if node_id in defaults else ""
            lines.append(f'<bpmn:{kind} id="{node_id}"{default}>{content}</bpmn:{kind}>')
    return "\n".join(lines + flow_lines)


def _flows(flows: str) -> tuple[dict[str, str], list[str]]:
    defaults: dict[str, str] = {}
    lines: list[str] = []
    for path in filter(None, (part.strip() for part in flows.split(","))):
        nodes, _, rest = path.partition(" [")
        condition = rest.removesuffix("]")
        for source, target in pairwise(node_id.strip() for node_id in nodes.split("->")):
            flow_id, inside = f"{source}_{target}", ""
            if condition == "default":
                defaults[source] = flow_id
            elif condition:
                inside = f"<bpmn:conditionExpression>={escape(condition)}</bpmn:conditionExpression>"
            opening = f'<bpmn:sequenceFlow id="{flow_id}" sourceRef="{source}" targetRef="{target}">'
            lines.append(f"{opening}{inside}</bpmn:sequenceFlow>")
    return defaults, lines


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


class Run:
    """A process instance under test: knows its open tasks, and checks what must hold after every step."""

    def __init__(
        self,
        model: bytes | Definition,
        library: Library | None = None,
        start_event: str | None = None,
        payload: dict[str, Any] | None = None,
        **variables: Any,
    ) -> None:
        self.library = library
        definition = model if isinstance(model, Definition) else parse(model)
        self.spec = through_json(definition.spec)
        self.tasks: list[NewTask] = []
        self.waits: list[Opening] = []
        self.sent: list[Leaving] = []
        self.trace: list[str] = []
        self._took(start(self.spec, variables, library, start_event, payload))

    @property
    def open(self) -> list[str]:
        """The activities of the open tasks, in the order they opened."""
        return [task.activity_id for task in self.tasks]

    @property
    def waiting(self) -> list[str]:
        """The events that are waited for, in the order they opened."""
        return [wait["element"] for wait in self.waits]

    @property
    def variables(self) -> dict[str, Any]:
        return self.step.variables

    @property
    def ended(self) -> bool:
        return self.step.ended

    def task(self, activity_id: str) -> NewTask:
        return next(task for task in self.tasks if task.activity_id == activity_id)

    def do(self, activity_id: str, **output: Any) -> "Run":
        """Complete the oldest open task of an activity."""
        return self.complete(self.task(activity_id), output)

    def wait(self, element_id: str) -> Opening:
        return next(wait for wait in self.waits if wait["element"] == element_id)

    def receive(self, element_id: str, **payload: Any) -> "Run":
        """Let the oldest wait for an event have it."""
        wait = self.wait(element_id)
        before = through_json(self.state)
        step = receive(self.spec, self.state, str(wait.get("token")), element_id, payload)
        assert self.state == before, "a step must not change the state it got"
        assert step == receive(self.spec, self.state, str(wait.get("token")), element_id, payload), "deterministic"
        self._took(step)
        assert not (wait["once"] and wait in self.waits), "the first event ends a wait for one"
        return self

    def complete(self, task: NewTask, output: dict[str, Any]) -> "Run":
        before = through_json(self.state)
        spec = through_json(self.spec)
        step = complete(self.spec, self.state, task.token_id, output, self.library)
        assert self.state == before, "a step must not change the state it got"
        assert self.spec == spec, "a step must not change the spec"
        again = complete(self.spec, self.state, task.token_id, output, self.library)
        assert step == again, "a step must be deterministic"
        self.tasks.remove(task)
        self._took(step)
        return self

    def _took(self, step: Step) -> None:
        assert step.variables == step.state["variables"]
        assert set(step.cancelled) <= {task.token_id for task in self.tasks}, "only open tasks are withdrawn"
        self.tasks = [task for task in self.tasks if task.token_id not in step.cancelled]
        self.step = step
        self.state = through_json(step.state)
        assert self.state == step.state, "a state must be plain JSON"
        tokens = {task.token_id for task in self.tasks}
        assert not tokens & {task.token_id for task in step.new_tasks}, "a token opens once"
        self.tasks += step.new_tasks
        self.trace += [task.activity_id for task in step.new_tasks]
        self._took_events(step)
        assert step.ended == (not self.tasks and not self.waits), "an instance ends when nothing is left to do"

    def _took_events(self, step: Step) -> None:
        names = {(str(wait.get("token")), wait["element"]) for wait in self.waits}
        assert set(step.closed) <= names, "only what was waited for is waited for no longer"
        self.waits = [wait for wait in self.waits if (wait.get("token"), wait["element"]) not in step.closed]
        assert not names & {(wait.get("token"), wait["element"]) for wait in step.opened}, "a wait opens once"
        self.waits += step.opened
        self.sent += step.left
