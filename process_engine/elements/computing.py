"""Activities that the engine does itself, within a step: script tasks and business rule tasks."""

from abc import abstractmethod
from typing import Any

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.task import Task

from process_engine.decisions.evaluation import evaluate
from process_engine.elements.nodes import Node
from process_engine.reading.settings.activities import Activity
from process_engine.reading.settings.bindings import Question, Script
from process_engine.values import expressions
from process_engine.values.errors import ExpressionError, StepFailed
from process_engine.values.plain_json import Json
from process_engine.values.scoped import assign, engine_of, visible
from process_engine.values.variables import Variables, output_changes, task_input


class Computed(Node):
    """An activity that computes one value and puts it into a variable."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, settings: Activity) -> None:
        super().__init__(wf_spec, bpmn_id)
        self.input_mappings, self.output_mappings = settings.get("inputs", []), settings.get("outputs", [])

    @abstractmethod
    def value(self, my_task: Task, seen: Variables) -> Json:
        """The value over `seen`, what the activity sees with its input mappings."""

    @property
    @abstractmethod
    def result(self) -> str:
        """The variable that gets the value."""

    def _run_hook(self, my_task: Task) -> Any:
        seen = visible(my_task)
        given = task_input(self.bpmn_id, self.input_mappings, seen) if self.input_mappings else {}
        output = {self.result: self.value(my_task, {**seen, **given})}
        if self.output_mappings:
            output = output_changes(self.bpmn_id, self.output_mappings, seen, {**given, **output})
        assign(my_task, output)
        return True


class ScriptTask(Computed):
    """A script task: one CEL expression."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, settings: Activity, script: Script) -> None:
        super().__init__(wf_spec, bpmn_id, settings)
        self.script = script

    @property
    def result(self) -> str:
        """The variable that the model names."""
        return self.script["result"]

    def value(self, my_task: Task, seen: Variables) -> Json:
        """The value of the expression."""
        try:
            return expressions.evaluate(self.script["expression"], seen)
        except ExpressionError as error:
            raise StepFailed(self.bpmn_id, f"the script cannot be evaluated: {error}") from error


class BusinessRuleTask(Computed):
    """A business rule task: asks a decision that is deployed on its own."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, settings: Activity, question: Question) -> None:
        super().__init__(wf_spec, bpmn_id, settings)
        self.question = question

    @property
    def result(self) -> str:
        """The variable that the model names."""
        return self.question["result"]

    def value(self, my_task: Task, seen: Variables) -> Json:
        """The answer of the decision."""
        name = name_of(self.bpmn_id, "decisionId", self.question["decision"], seen)
        deployed = engine_of(my_task).library.find("decision", name, self.question["version"])
        if deployed is None:
            raise StepFailed(self.bpmn_id, f"there is no decision {name!r}; deploy it")
        try:
            return evaluate(deployed.spec, seen)
        except ExpressionError as error:
            raise StepFailed(self.bpmn_id, f"the decision {name!r} cannot be made: {error}") from error


def name_of(element_id: str, setting: str, text: str, seen: Variables) -> str:
    """The id that a setting gives: literal text, or CEL when it starts with `=`.

    Raises:
        StepFailed: it cannot be evaluated or gives no text.
    """
    try:
        value = expressions.resolve_text(text, seen)
    except ExpressionError as error:
        raise StepFailed(element_id, f"{setting} cannot be evaluated: {error}") from error
    if not isinstance(value, str):
        raise StepFailed(element_id, f"{setting} must be text; its expression gives {value!r}")
    return value
