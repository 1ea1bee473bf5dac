"""Damaged files: whatever happens to a model, reading it says what is wrong, and starting it says why it cannot."""

import random
from pathlib import Path

import pytest
from bpmn_writing import extensions, many, process, scope
from damaged_models import damaged
from dmn_writing import dmn, table

from process_engine.decisions.evaluation import evaluate
from process_engine.decisions.reader import parse_decisions
from process_engine.reading.definition import parse
from process_engine.running import steps
from process_engine.values.errors import DefinitionInvalid, ExpressionError, StepFailed
from process_engine.values.library import Library, NotAtHand

ROOT = Path(__file__).resolve().parents[4]
EXAMPLE = (ROOT / "examples/service_request/service_request.bpmn").read_bytes()
INSIDE = scope("startEvent is, scriptTask c, endEvent ie", "is -> c -> ie", {
    "c": extensions('<zeebe:script expression="=n + 1" resultVariable="r"/>')})  # fmt: skip
ACTIVITIES = process(
    scope(
        "startEvent s, subProcess sub, callActivity call, businessRuleTask rule, userTask u, exclusiveGateway g,"
        "endEvent e",
        "s -> sub -> call -> rule -> u -> g, g -> u [n > 1], g -> e [default]",
        {
            "sub": INSIDE + many('inputCollection="=ns" inputElement="n" outputCollection="rs" outputElement="=r"'),
            "call": extensions('<zeebe:calledElement processId="child"/>'),
            "rule": extensions('<zeebe:calledDecision decisionId="d" resultVariable="x"/>'),
        },
    )
)
RULES = ["< 5 ; - => 1 ; 'p'", "[5..9] ; not(\"a\") => 2 ; 'q'"]
DECISION = dmn(table(["x", 'y | "a", "b"'], ["r | 1, 2 | 1", "q"], RULES, "ANY"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("model", [EXAMPLE, ACTIVITIES], ids=["example", "activities"])
def test_a_damaged_process_is_refused_by_name_or_runs(model: bytes, seed: int) -> None:
    chance = random.Random(seed)
    read = 0
    for _ in range(150):
        try:
            definition = parse(damaged(model, chance))
        except DefinitionInvalid as refused:
            assert refused.problems
            assert all(problem.message for problem in refused.problems)
            continue
        read += 1
        try:
            steps.start(definition.spec, {"ns": [1, 2], "n": 1}, Library())
        except (StepFailed, NotAtHand):
            continue
    assert read, "some damage must leave a model that can be read, or the test sees only half of the code"


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_decision_is_refused_by_name_or_made(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(80):
        try:
            decisions = parse_decisions(damaged(DECISION, chance))
        except DefinitionInvalid as refused:
            assert refused.problems
            continue
        for decision in decisions:
            try:
                evaluate(decision.spec, {"x": 3, "y": "b"})
            except ExpressionError:
                continue
