"""Gateways: where tokens choose, split and join.

The joins follow the execution semantics of BPMN 2.0.2, 13.4 (tables 13.1 to 13.3). SpiffWorkflow's own joins look at
its history of tasks; when a loop comes by again, they can fire with tokens still missing.
"""

from dataclasses import dataclass
from typing import Any, cast

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.specs.base import TaskSpec
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.nodes import Node, node_id
from process_engine.values.errors import ExpressionError, StepFailed

CAME_FROM = "came_from"
"""Key in a waiting token's internal data: the id of the node before the gateway."""


@dataclass(frozen=True)
class Exit:
    """A sequence flow that leaves a choosing gateway. A `condition` of None always holds."""

    flow_id: str
    target: TaskSpec
    condition: str | None
    is_default: bool


class _Choosing(Node):
    """A gateway with conditions on the flows that leave it, in the order of the file."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, **kwargs: Any) -> None:
        super().__init__(wf_spec, bpmn_id, **kwargs)
        self.exits: list[Exit] = []

    def _holds(self, way: Exit, my_task: Task) -> bool:
        if way.condition is None:
            return True
        try:
            return cast(BpmnWorkflow, my_task.workflow).script_engine.evaluate(my_task, way.condition)
        except ExpressionError as error:
            raise StepFailed(
                self.bpmn_id, f"the condition of flow {way.flow_id!r} cannot be evaluated: {error}"
            ) from error

    def _otherwise(self) -> list[TaskSpec]:
        """Where a token goes when no condition holds: the default flow."""
        default = [way.target for way in self.exits if way.is_default]
        if self.exits and not default:
            tried = ", ".join(f"{way.flow_id}: {way.condition}" for way in self.exits)
            raise StepFailed(self.bpmn_id, f"no outgoing condition is true ({tried}) and there is no default flow")
        return default or self.outputs


class ExclusiveGateway(_Choosing):
    """Sends a token along the first flow whose condition is true, else along the default flow."""

    def choose(self, my_task: Task) -> list[TaskSpec]:
        """One target; raises StepFailed when no condition is true and there is no default."""
        for way in self.exits:
            if not way.is_default and self._holds(way, my_task):
                return [way.target]
        return self._otherwise()


class Joining(Node):
    """A gateway that collects tokens: at most one per incoming flow goes into each activation; the others stay."""

    def _update_hook(self, my_task: Task) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]  # as Spiff's
        if CAME_FROM not in my_task.internal_data:
            my_task.internal_data[CAME_FROM] = node_id(cast(Task, my_task.parent).task_spec)
        arrived = self._first_token_per_source(my_task)
        if not self._may_fire(my_task, arrived):
            my_task._set_state(TaskState.WAITING)
            return False
        for token in arrived.values():
            if token is not my_task:
                token._set_state(TaskState.CANCELLED)
        return True

    def _first_token_per_source(self, my_task: Task) -> dict[str, Task]:
        arrived: dict[str, Task] = {}
        for task in my_task.workflow.tasks.values():
            if task.task_spec is self and (task is my_task or task.state == TaskState.WAITING):
                arrived.setdefault(task.internal_data[CAME_FROM], task)
        return arrived

    def _missing(self, arrived: dict[str, Task]) -> set[str]:
        return {str(node_id(source)) for source in self.inputs} - arrived.keys()

    def missing_sources(self, my_task: Task) -> list[str]:
        """The ids of the nodes this gateway has no token from, sorted; for messages about a token that is stuck."""
        return sorted(self._missing(self._first_token_per_source(my_task)))

    def _may_fire(self, my_task: Task, arrived: dict[str, Task]) -> bool:
        return not self._missing(arrived)


class ParallelGateway(Joining):
    """Fires when every incoming flow has a token, and sends one along every outgoing flow (table 13.1)."""


class InclusiveGateway(Joining, _Choosing):  # pyright: ignore[reportIncompatibleMethodOverride]  # as Spiff's
    """Fires when no further token can come, and sends one along every flow whose condition is true (table 13.3)."""

    def choose(self, my_task: Task) -> list[TaskSpec]:
        """At least one target; raises StepFailed when no condition is true and there is no default."""
        chosen = [way.target for way in self.exits if not way.is_default and self._holds(way, my_task)]
        return chosen or self._otherwise()

    def _may_fire(self, my_task: Task, arrived: dict[str, Task]) -> bool:
        """Whether every token that could still reach an empty incoming flow could as well reach one that has a token.

        Paths through this gateway do not count, and tokens in other scopes cannot reach it.
        """
        missing = self._missing(arrived)
        for task in my_task.workflow.tasks.values():
            if task.task_spec is not self and task.has_state(TaskState.NOT_FINISHED_MASK):
                reached = reached_from(task.task_spec, self)
                if reached & missing and not reached & arrived.keys():
                    return False
        return True


def reached_from(spec: TaskSpec, without: TaskSpec) -> set[str | None]:
    """The ids of the nodes a token at `spec` is at or can get to without passing the gateway `without`.

    It can leave an activity through a boundary event, too.
    """
    reached, frontier = {spec}, [spec]
    while frontier:
        spec = frontier.pop()
        for following in [*spec.outputs, *(spec.boundaries if isinstance(spec, Node) else [])]:
            if following is not without and following not in reached:
                reached.add(following)
                frontier.append(following)
    return {node_id(node) for node in reached}
