"""Call activities: the called process runs inside the token, with variables of its own.

It is part of the calling instance: one history, one cost, one cancel, and errors that go outwards to the call
activity. The version is pinned in the token, so a call ends on the version it began with.
"""

from typing import TYPE_CHECKING, TypedDict, cast

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.util.subworkflow import BpmnSubWorkflow
from SpiffWorkflow.specs.base import TaskSpec
from SpiffWorkflow.task import Task

from process_engine.elements.computing import name_of
from process_engine.elements.containers import Container
from process_engine.reading.settings.activities import Activity
from process_engine.reading.settings.bindings import Call
from process_engine.values.errors import StepFailed
from process_engine.values.library import Deployed
from process_engine.values.plain_json import plain_copy
from process_engine.values.scoped import VARIABLES, assign, container_of, engine_of, top_of, visible
from process_engine.values.variables import output_changes, task_input

if TYPE_CHECKING:
    from collections.abc import Callable

CALLED = "called"
"""Key in the internal data of a call activity's token."""

MOST_CALLS_DEEP = 20


class Called(TypedDict):
    """The process that a token calls, pinned."""

    id: str
    version: int


class CallActivity(Container):
    """A call activity. `build_called` adds the specification of a called version to an instance."""

    def __init__(
        self,
        wf_spec: BpmnProcessSpec,
        bpmn_id: str,
        settings: Activity,
        call: Call,
        build_called: "Callable[[Called, Deployed], dict[object, BpmnProcessSpec]]",
    ) -> None:
        super().__init__(wf_spec, bpmn_id, bpmn_id)
        self.input_mappings, self.output_mappings = settings.get("inputs", []), settings.get("outputs", [])
        self.call = call
        self.build_called = build_called

    def enter(self, my_task: Task) -> bool:
        """Choose the version, hand the variables over, and start it."""
        seen = visible(my_task)
        name = name_of(self.bpmn_id, "processId", self.call["process"], seen)
        self._check_depth(my_task, name)
        deployed = engine_of(my_task).library.find("process", name, self.call["version"])
        if deployed is None:
            raise StepFailed(self.bpmn_id, f"calls the process {name!r}, which is not deployed; deploy it")
        given = task_input(self.bpmn_id, self.input_mappings, seen) if self.input_mappings else {}
        own = {**seen, **given} if self.call["all_in"] else given
        my_task.internal_data[CALLED] = Called(id=name, version=deployed.version)
        my_task.internal_data[VARIABLES] = plain_copy(own, "variables")
        scope = self.open_scope(my_task)
        if not cast(TaskSpec, scope.spec.start).outputs:
            raise StepFailed(self.bpmn_id, f"calls the process {name!r}, which has no start event without a trigger")
        self.start(scope)
        return False

    def leave(self, my_task: Task) -> None:
        """Set what the called process hands back."""
        given = my_task.internal_data.pop(VARIABLES)
        if self.output_mappings:
            assign(my_task, output_changes(self.bpmn_id, self.output_mappings, visible(my_task), given))
        elif self.call["all_out"]:
            assign(my_task, given)

    def open_scope(self, my_task: Task) -> BpmnSubWorkflow:
        """The called process's scope; its specification is built when an instance first needs it."""
        specs = top_of(my_task).subprocess_specs
        if self.key_of(my_task) not in specs:
            called = cast(Called, my_task.internal_data[CALLED])
            deployed = engine_of(my_task).library.find("process", called["id"], called["version"])
            if deployed is None:
                raise StepFailed(self.bpmn_id, f"the called process {called['id']!r} {called['version']} is gone")
            specs.update(self.build_called(called, deployed))
        return super().open_scope(my_task)

    def key_of(self, my_task: Task) -> object:
        """The called version."""
        called = cast(Called, my_task.internal_data[CALLED])
        return called["id"], called["version"]

    def _check_depth(self, my_task: Task, name: str) -> None:
        depth, place = 1, container_of(my_task)
        while place is not None:
            depth += CALLED in place.internal_data
            place = container_of(place)
        if depth > MOST_CALLS_DEEP:
            raise StepFailed(
                self.bpmn_id,
                f"calls the process {name!r} at depth {depth}; at most {MOST_CALLS_DEEP} calls may be inside each "
                "other: the processes call each other in a circle that does not end",
            )


def called_by(task: Task) -> Called | None:
    """The process that a token belongs to, where that was called; None: the instance's own."""
    place = container_of(task)
    while place is not None and CALLED not in place.internal_data:
        place = container_of(place)
    return None if place is None else place.internal_data[CALLED]
