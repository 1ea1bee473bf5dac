"""The SpiffWorkflow task specifications this engine runs BPMN nodes with.

They differ from SpiffWorkflow's own in one thing: they do not predict the future. SpiffWorkflow keeps a tree of
everything that ran and everything that may run, looks into it to decide joins, and walks it recursively. Here a task
exists only while a token is at its node, so an instance that loops for years stays small, and joins (see `gateways`)
count tokens.
"""

from collections.abc import Callable
from typing import Any, cast

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.specs.bpmn_task_spec import BpmnTaskSpec
from SpiffWorkflow.bpmn.specs.mixins import UserTaskMixin
from SpiffWorkflow.bpmn.specs.mixins.bpmn_spec_mixin import BpmnSpecMixin
from SpiffWorkflow.specs.base import TaskSpec
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.undo import REOPENED, remember
from process_engine.reading.settings.work_settings import WorkSettings
from process_engine.values import expressions
from process_engine.values.library import Library
from process_engine.values.plain_json import Json
from process_engine.values.scoped import visible


class CelScriptEngine:
    """Evaluates conditions, in the place of SpiffWorkflow's engine, which would hand them to Python's `eval`.

    It has none of the other methods of a script engine, so nothing in a definition can run a script or call a service.
    """

    def __init__(self, variables: dict[str, Json], library: Library) -> None:
        self.variables = variables
        self.library = library
        self.thrown: list[Any] = []
        """The messages and signals (`throwing.Thrown`) that left the instance in this step."""

    def evaluate(self, task: Task, expression: str, external_context: object = None) -> bool:
        """The truth of a condition over the variables that `task` sees; `external_context` is Spiff's.

        Raises:
            ExpressionError: it cannot be evaluated, or does not give true or false.
        """
        return expressions.evaluate_condition(expression, visible(task))


def spec_name(bpmn_id: str) -> str:
    """The name of a node's specification. No XML id holds a `#`, so it never meets SpiffWorkflow's Start and End."""
    return f"#{bpmn_id}"


def node_id(spec: TaskSpec) -> str | None:
    """The BPMN id of a node's specification; None for the Start, EndJoin and End that SpiffWorkflow adds."""
    return cast(BpmnTaskSpec, spec).bpmn_id


class ScopeSpec(BpmnProcessSpec):
    """The specification of a process or of what is inside an activity."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.event_subprocesses: list[Any] = []


class Node(BpmnSpecMixin):
    """A BPMN node. A token that leaves it goes to every output, unless a gateway chooses."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, **kwargs: Any) -> None:
        super().__init__(wf_spec, spec_name(bpmn_id), **kwargs)
        self.bpmn_id = bpmn_id
        self.when_done: Callable[[Task], bool | None] | None = None
        """Told of every token that is done here, before it goes on; True: it goes to the end of its scope instead.

        Whoever holds the node's scope sets it."""
        self.boundaries: list[Node] = []
        """The boundary events attached here."""
        self.compensated_by: str | None = None
        """The id of the activity that undoes this one."""

    @staticmethod
    def is_reopened(my_task: Task) -> bool:
        """Whether `my_task` is a completed sub-process that came back only to undo what is inside."""
        return REOPENED in my_task.internal_data

    def happen(self, my_task: Task) -> bool:
        """What a token does here, once; whether it goes on then. False: it was withdrawn, or waits."""
        return True

    def choose(self, my_task: Task) -> list[TaskSpec]:
        """The nodes that get a token when `my_task` is done; one that is named twice gets two."""
        return self.outputs

    def test(self) -> None:
        """Boundary events, event sub-processes and what compensates have no incoming flow, which Spiff asks for."""

    def _predict(self, my_task: Task, seen: Any = None, looked_ahead: int = 0, mask: int = 0) -> None:
        """Add no task before a token is there."""

    def _on_complete_hook(self, my_task: Task) -> None:
        ends_scope = self.when_done is not None and self.when_done(my_task)
        remember(my_task, has_handler=self.compensated_by is not None)
        following = [self._wf_spec.end] if ends_scope or self.is_reopened(my_task) else self.choose(my_task)
        my_task._sync_children(following, TaskState.FUTURE)
        for child in my_task.children:
            child.task_spec._predict(child, mask=TaskState.FUTURE | TaskState.PREDICTED_MASK)
        super()._on_complete_hook(my_task)


class PassThrough(Node):
    """Start and end events, manual and undefined tasks: a token goes through without waiting."""


class Work(UserTaskMixin, Node):
    """A task in the queue or in an inbox: the token waits here until somebody completes the task."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, settings: WorkSettings) -> None:
        super().__init__(wf_spec, bpmn_id)
        self.settings = settings
