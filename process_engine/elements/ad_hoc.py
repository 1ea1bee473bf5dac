"""Ad-hoc sub-processes (BPMN 2.0.2, 10.3.5 and 13.3.5): activities in any order, until a condition holds.

What is chosen at the beginning runs at once, or one after the other; what flows lead to follows. After each activity
that ends the completion condition is evaluated; when it is true the sub-process ends.
"""

from typing import Any, cast

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.util.subworkflow import BpmnSubWorkflow
from SpiffWorkflow.specs.base import TaskSpec
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.containers import SubProcess
from process_engine.elements.nodes import node_id
from process_engine.elements.withdrawal import withdraw
from process_engine.reading.settings.activities import Activity, AdHoc
from process_engine.values import expressions
from process_engine.values.errors import ExpressionError, StepFailed
from process_engine.values.plain_json import Json
from process_engine.values.scoped import container_of, visible

TO_DO = "to_do"
"""Key in the internal data of the token: the ids of chosen activities that have not begun."""


class AdHocSubProcess(SubProcess):
    """An ad-hoc sub-process. What it may begin with are the outputs of its scope's start, in the order of the file."""

    def __init__(
        self, wf_spec: BpmnProcessSpec, bpmn_id: str, inside_key: object, settings: Activity, ad_hoc: AdHoc
    ) -> None:
        super().__init__(wf_spec, bpmn_id, inside_key, settings)
        self.ad_hoc = ad_hoc

    def enter(self, my_task: Task) -> bool:
        """Begin with what is chosen; True where that is nothing."""
        self.take_inputs(my_task)
        scope = self.open_scope(my_task)
        specs = {str(node_id(spec)): spec for spec in cast(TaskSpec, scope.spec.start).outputs}
        my_task.internal_data[TO_DO] = self._chosen(my_task, list(specs))
        if not my_task.internal_data[TO_DO]:
            self.close_scope(my_task)
            return True
        while my_task.internal_data[TO_DO] and self._begin_next(my_task, scope) and not self.ad_hoc["sequential"]:
            continue
        return False

    def one_ended(self, task: Task) -> bool:
        """An activity inside has ended; True: the sub-process ends with it."""
        holder = cast(Task, container_of(task))
        scope = cast(BpmnSubWorkflow, task.workflow)
        others = [one for one in scope.tasks.values() if one is not task and one.has_state(TaskState.NOT_FINISHED_MASK)]
        if self._is_complete(task):
            holder.internal_data[TO_DO] = []
            if self.ad_hoc["cancel_rest"]:
                for other in others:
                    withdraw(other)
            return True
        leads_on = any(node_id(spec) is not None for spec in task.task_spec.outputs)
        if holder.internal_data[TO_DO] and not leads_on and not [one for one in others if node_id(one.task_spec)]:
            self._begin_next(holder, scope)
        return False

    def _begin_next(self, my_task: Task, scope: BpmnSubWorkflow) -> bool:
        first, *rest = my_task.internal_data[TO_DO]
        my_task.internal_data[TO_DO] = rest
        spec = next(spec for spec in cast(TaskSpec, scope.spec.start).outputs if node_id(spec) == first)
        spec._update(Task(scope, spec, scope.task_tree, TaskState.FUTURE))
        return True

    def _chosen(self, my_task: Task, known: list[str]) -> list[str]:
        if self.ad_hoc["active"] is None:
            return known
        chosen = self._evaluate("activeElementsCollection", self.ad_hoc["active"], visible(my_task))
        if not isinstance(chosen, list) or not all(one in known for one in chosen) or len(set(chosen)) < len(chosen):
            what = f"activeElementsCollection must list activities of {', '.join(known)}, each once"
            raise StepFailed(self.bpmn_id, f"{what}; its expression gives {chosen!r}")
        return chosen

    def _is_complete(self, task: Task) -> bool:
        if self.ad_hoc["until"] is None:
            return False
        value = self._evaluate("completionCondition", self.ad_hoc["until"], visible(task))
        if not isinstance(value, bool):
            raise StepFailed(self.bpmn_id, f"completionCondition must give true or false; it gives {value!r}")
        return value

    def _evaluate(self, what: str, text: str, seen: dict[str, Json]) -> Any:
        try:
            return expressions.evaluate(text, seen)
        except ExpressionError as error:
            raise StepFailed(self.bpmn_id, f"{what} cannot be evaluated: {error}") from error
