"""Activities with an inside: their token waits while tokens inside run, and goes on when the last of them has ended."""

from abc import abstractmethod
from typing import cast

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.util.subworkflow import BpmnSubWorkflow
from SpiffWorkflow.specs.base import TaskSpec
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.nodes import Node
from process_engine.elements.undo import UNDOABLE, records_of
from process_engine.reading.settings.activities import Activity
from process_engine.values.scoped import LOCALS, assign, top_of, visible
from process_engine.values.variables import output_changes, task_input


class Container(Node):
    """An activity with an inside. `inside_key` names the specification of what is inside.

    `can_reopen`: it can be entered again after its end, to undo what was done inside.
    """

    can_reopen = False

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, inside_key: object) -> None:
        super().__init__(wf_spec, bpmn_id)
        self.inside_key = inside_key

    @abstractmethod
    def enter(self, my_task: Task) -> bool:
        """A token has come: open a scope and put tokens into it. True where there is nothing to run."""

    @abstractmethod
    def leave(self, my_task: Task) -> None:
        """Everything inside has ended: hand over what is to stay."""

    def key_of(self, my_task: Task) -> object:
        """The key of what is inside this token."""
        return self.inside_key

    def open_scope(self, my_task: Task) -> BpmnSubWorkflow:
        """A scope inside the token `my_task`, without tokens; also where a stored state is restored."""
        top = top_of(my_task)
        scope = BpmnSubWorkflow(top.subprocess_specs[self.key_of(my_task)], my_task.id, top, deserializing=True)
        scope.task_tree = Task(scope, scope.spec.start, state=TaskState.COMPLETED)
        scope.completed_event.connect(self._inside_ended, my_task)
        top.subprocesses[my_task.id] = scope
        return scope

    def start(self, scope: BpmnSubWorkflow) -> None:
        """Put a token at each start of a scope."""
        for spec in cast(TaskSpec, scope.spec.start).outputs:
            spec._update(Task(scope, spec, scope.task_tree, TaskState.FUTURE))

    def close_scope(self, my_task: Task) -> None:
        """End the scope inside `my_task`, which may go on."""
        scope = top_of(my_task).subprocesses.pop(my_task.id)
        if self.can_reopen and records_of(scope):
            my_task.internal_data[UNDOABLE] = records_of(scope)
        my_task._set_state(TaskState.READY)

    def _inside_ended(self, scope: BpmnSubWorkflow, my_task: Task) -> None:
        self.close_scope(my_task)

    def _update_hook(self, my_task: Task) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]  # as Spiff's
        if self.enter(my_task):
            return True
        my_task._set_state(TaskState.STARTED)
        return False

    def _run_hook(self, my_task: Task) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]  # as Spiff's
        if not self.is_reopened(my_task):
            self.leave(my_task)
        return True


class SubProcess(Container):
    """An embedded sub-process. With input mappings their targets are variables of its own."""

    can_reopen = True

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, inside_key: object, settings: Activity) -> None:
        super().__init__(wf_spec, bpmn_id, inside_key)
        self.input_mappings, self.output_mappings = settings.get("inputs", []), settings.get("outputs", [])

    def enter(self, my_task: Task) -> bool:
        """Put a token at the start event."""
        self.take_inputs(my_task)
        self.start(self.open_scope(my_task))
        return False

    def take_inputs(self, my_task: Task) -> None:
        """Make the targets of the input mappings variables of the token."""
        if self.input_mappings:
            own = task_input(self.bpmn_id, self.input_mappings, visible(my_task))
            my_task.internal_data[LOCALS] = {**my_task.internal_data.get(LOCALS, {}), **own}

    def leave(self, my_task: Task) -> None:
        """Evaluate the output mappings; without, what was set inside has been set already."""
        if self.output_mappings:
            changes = output_changes(self.bpmn_id, self.output_mappings, visible(my_task), {})
            # an instance of a loop has a local for its result; any other's own locals end here
            assign(my_task, changes, outside=self.when_done is None)
