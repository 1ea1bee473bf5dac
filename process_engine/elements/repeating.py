"""Runs an activity several times: multi-instance, parallel and sequential, and the standard loop.

The token at the activity is a container; inside are the tokens of the instances that run now, each with `loopCounter`
(from 1) and, of a collection, its element as locals. What the container remembers is in `Progress`.
"""

import re
from typing import Any, TypedDict, cast

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.util.subworkflow import BpmnSubWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.containers import Container
from process_engine.elements.nodes import spec_name
from process_engine.elements.withdrawal import withdraw
from process_engine.reading.settings.loops import MOST_INSTANCES, Loop
from process_engine.values import expressions
from process_engine.values.errors import ExpressionError, StepFailed
from process_engine.values.plain_json import Json
from process_engine.values.scoped import LOCALS, assign, container_of, visible

PROGRESS = "progress"
"""Key in the internal data of the container."""

_FIRST_NAME = re.compile(r"\s*=?\s*([^\W\d]\w*)\s*(?:\.[\w.\s]*)?")


class Progress(TypedDict):
    """How far a repetition has come.

    `items` are the elements of a sequential multi-instance; `results` is the output collection, null where an instance
    has not ended; `instances` is how many there will be, null in a standard loop.
    """

    instances: int | None
    begun: int
    ended: int
    items: list[Json] | None
    results: list[Json]


class Repeated(Container):
    """An activity with a loop marker. `inside_key` names the specification that holds the activity itself."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, inside_key: object, loop: Loop) -> None:
        super().__init__(wf_spec, bpmn_id, inside_key)
        self.loop = loop

    def enter(self, my_task: Task) -> bool:
        """Start the first instances; True where there are none to run."""
        items, instances = self._plan(my_task)
        progress = Progress(
            instances=instances,
            begun=0,
            ended=0,
            items=items if self.loop["sequential"] else None,
            results=[None] * instances if instances and self.loop["output_collection"] else [],
        )
        my_task.internal_data[PROGRESS] = progress
        at_once = 1 if self.loop["sequential"] or instances is None else instances
        if instances == 0 or (self.loop["test_before"] and not self._goes_on(my_task, my_task, 0)):
            return True
        scope = self.open_scope(my_task)
        for index in range(at_once):
            self._begin(my_task, scope, items[index] if items else None)
        return False

    def leave(self, my_task: Task) -> None:
        """Hand the results over to the scope around."""
        collection = self.loop["output_collection"]
        if collection:
            assign(my_task, {collection: cast(Progress, my_task.internal_data[PROGRESS])["results"]}, outside=True)

    def one_ended(self, instance: Task) -> None:
        """An instance has ended: keep its result, and go on with the next, wait for the others, or end."""
        holder = cast(Task, container_of(instance))
        progress = _advanced(holder, ended=1)
        if self.loop["output_element"]:
            results = list(progress["results"])
            results[instance.internal_data[LOCALS]["loopCounter"] - 1] = self._evaluate(
                instance, "outputElement", self.loop["output_element"]
            )
            progress["results"] = results
        scope = cast(BpmnSubWorkflow, instance.workflow)
        if self._is_enough(instance, progress):
            for other in list(scope.tasks.values()):
                if other is not instance:
                    withdraw(other)
            self.close_scope(holder)
        elif progress["instances"] is None:
            if self._goes_on(holder, instance, progress["ended"]):
                self._begin(holder, scope, None)
            else:
                self.close_scope(holder)
        elif progress["ended"] == progress["instances"]:
            self.close_scope(holder)
        elif self.loop["sequential"]:
            items = progress["items"]
            self._begin(holder, scope, items[progress["begun"]] if items else None)

    def _plan(self, my_task: Task) -> tuple[list[Json] | None, int | None]:
        """The elements, where there is a collection, and the number of instances; None in a standard loop."""
        if self.loop["collection"]:
            items = self._evaluate(my_task, "inputCollection", self.loop["collection"])
            if not isinstance(items, list):
                raise StepFailed(self.bpmn_id, f"inputCollection must be a list; its expression gives {items!r}")
            return items, self._checked(len(items))
        if self.loop["cardinality"] is None:
            return None, None
        number = self._evaluate(my_task, "loopCardinality", self.loop["cardinality"])
        if isinstance(number, bool) or not isinstance(number, int | float) or number != int(number) or number < 0:
            raise StepFailed(self.bpmn_id, f"loopCardinality must be a whole number from 0 on; it is {number!r}")
        return None, self._checked(int(number))

    def _checked(self, instances: int) -> int:
        if instances > MOST_INSTANCES:
            raise StepFailed(self.bpmn_id, f"{instances} instances of this activity; at most {MOST_INSTANCES} may be")
        return instances

    def _begin(self, holder: Task, scope: BpmnSubWorkflow, item: Json) -> None:
        progress = _advanced(holder, begun=1)
        own: dict[str, Json] = {}
        result = _FIRST_NAME.fullmatch(self.loop["output_element"] or "")
        if result and result.group(1) not in (self.loop["element"], "vars"):
            own[result.group(1)] = None
        own["loopCounter"] = progress["begun"]
        if self.loop["element"]:
            own[self.loop["element"]] = item
        spec = scope.spec.task_specs[spec_name(self.bpmn_id)]
        instance = Task(scope, spec, scope.task_tree, TaskState.FUTURE)
        instance.internal_data[LOCALS] = own
        spec._update(instance)

    def _is_enough(self, instance: Task, progress: Progress) -> bool:
        """Whether the completion condition holds, over what the ended instance sees and the numbers of instances."""
        if self.loop["until"] is None:
            return False
        numbers = {
            "numberOfInstances": progress["instances"],
            "numberOfActiveInstances": progress["begun"] - progress["ended"],
            "numberOfCompletedInstances": progress["ended"],
            "numberOfTerminatedInstances": 0,
        }
        return self._condition({**visible(instance), **numbers}, "completionCondition", self.loop["until"])

    def _goes_on(self, holder: Task, seen_from: Task, ended: int) -> bool:
        """Whether a standard loop runs once more."""
        maximum, again = self.loop["maximum"], self.loop["again"]
        if maximum is not None and ended >= maximum:
            return False
        seen = visible(seen_from) if seen_from is not holder else {**visible(holder), "loopCounter": 0}
        return again is None or self._condition(seen, "loopCondition", again)

    def _evaluate(self, at: Task, what: str, text: str) -> Any:
        try:
            return expressions.evaluate(text, visible(at))
        except ExpressionError as error:
            raise StepFailed(self.bpmn_id, f"{what} cannot be evaluated: {error}") from error

    def _condition(self, seen: dict[str, Json], what: str, text: str) -> bool:
        try:
            return expressions.evaluate_condition(text, seen)
        except ExpressionError as error:
            raise StepFailed(self.bpmn_id, f"{what} cannot be evaluated: {error}") from error


def _advanced(holder: Task, begun: int = 0, ended: int = 0) -> Progress:
    """The progress of a container, replaced by one that counts on."""
    before = cast(Progress, holder.internal_data[PROGRESS])
    after = Progress(**{**before, "begun": before["begun"] + begun, "ended": before["ended"] + ended})
    holder.internal_data[PROGRESS] = after
    return after
