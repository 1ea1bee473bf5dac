"""Business rule tasks: a decision that is deployed on its own gives the answer."""

import pytest
from bpmn_writing import Run, extensions, process, scope
from dmn_writing import dmn, table

from process_engine.decisions.reader import parse_decisions
from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, StepFailed
from process_engine.values.library import Deployed, Library, NotAtHand

RATES = table(["amount"], ["rate"], ["< 100 => 1", ">= 100 => 2"], decision="rates")


def library() -> Library:
    using = Library()
    using.add(NotAtHand("decision", "rates", None), Deployed(1, parse_decisions(dmn(RATES))[0].spec))
    using.add(NotAtHand("decision", "none", None), None)
    return using


def asking(settings: str, more: str = "") -> bytes:
    content = extensions(f"<zeebe:calledDecision {settings}/>{more}")
    return process(
        scope("startEvent s, businessRuleTask a, userTask after, endEvent e", "s -> a -> after -> e", {"a": content})
    )


def test_the_answer_goes_into_the_variable_that_the_model_names() -> None:
    run = Run(asking('decisionId="rates" resultVariable="rate"'), library(), amount=100)
    assert (run.open, run.variables) == (["after"], {"amount": 100, "rate": 2})


def test_mappings_go_in_and_out_of_a_decision() -> None:
    mapping = (
        '<zeebe:ioMapping><zeebe:input source="=order.total" target="amount"/>'
        '<zeebe:output source="=rate * 10" target="order.rate"/></zeebe:ioMapping>'
    )
    run = Run(
        asking('decisionId="=which" resultVariable="rate"', mapping), library(), which="rates", order={"total": 5}
    )
    assert run.variables == {"which": "rates", "order": {"total": 5, "rate": 10}}


@pytest.mark.parametrize(
    ("settings", "variables", "reason"),
    [
        ('decisionId="none" resultVariable="r"', {}, "there is no decision 'none'; deploy it"),
        ('decisionId="rates" resultVariable="r"', {"amount": "much"}, "the decision 'rates' cannot be made: 'much'"),
        ('decisionId="=5" resultVariable="r"', {}, "decisionId must be text; its expression gives 5"),
    ],
)
def test_a_decision_that_cannot_be_made_stops_the_step(settings: str, variables: dict[str, str], reason: str) -> None:
    with pytest.raises(StepFailed, match=reason) as caught:
        Run(asking(settings), library(), **variables)
    assert caught.value.element_id == "a"


def test_a_business_rule_task_may_be_work_for_an_orchestrator() -> None:
    content = extensions('<zeebe:taskDefinition type="worker"/>')
    run = Run(process(scope("startEvent s, businessRuleTask a, endEvent e", "s -> a -> e", {"a": content})))
    assert run.task("a").orchestrator == "worker"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("", "asks no decision: add zeebe:calledDecision"),
        ('decisionId="rates"', "has the resultVariable ''"),
        ('decisionId="=a b" resultVariable="r"', "has an expression that cannot be run"),
        ('decisionId="rates" resultVariable="r" bindingType="x"', "has the bindingType 'x'"),
    ],
)
def test_a_business_rule_task_that_cannot_be_run_is_refused(settings: str, complaint: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(asking(settings))
    assert complaint in str(caught.value)
