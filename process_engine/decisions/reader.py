"""Reads a DMN file into the decisions it holds, or says everything that is wrong with it.

DMN 1.1 to 1.5 differ in their namespace and not in what is read here: decisions with a decision table or a literal
expression, and the decisions they require. Input and output expressions are CEL, which has FEEL's literals, names and
comparisons of its own; the cells of inputs are S-FEEL. What else a file holds is refused by name or, where it only
describes (input data, knowledge sources, annotations, the drawing), not looked at.
"""

import re
from dataclasses import dataclass
from typing import cast, get_args

from process_engine.decisions.model import Aggregation, Decision, DecisionSpec, HitPolicy, Input, Output, Rule, Table
from process_engine.decisions.unary_tests import Cell, parse_cell
from process_engine.reading.xml_source import Element, Problems, local_name, namespace, read_xml
from process_engine.values import expressions
from process_engine.values.errors import DefinitionInvalid, ExpressionError, Problem
from process_engine.values.plain_json import Json

MOST_CELLS = 20_000
"""Rules times columns of one table."""

_NAMESPACES = re.compile(r"https?://www\.omg\.org/spec/DMN/\d{8}/(?:MODEL/?|dmn\.xsd)")
_DESCRIBES = frozenset(
    {"description", "extensionElements", "question", "allowedAnswers", "variable", "authorityRequirement"}
    | {"informationRequirement", "supportedObjective", "impactedPerformanceIndicator", "decisionMaker"}
    | {"decisionOwner", "usingProcess", "usingTask"}
)
_POLICIES = {"RULE_ORDER": "RULE ORDER", "OUTPUT_ORDER": "OUTPUT ORDER"}
_LANGUAGES = re.compile(r"(?i)(?:|feel|cel|https?://www\.omg\.org/spec/(?:DMN/\d{8}/)?FEEL/?(?:\d+/?)?)")
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class DecisionDefinition:
    """A decision that can be deployed: its id, what people call it, and its `DecisionSpec` in plain JSON."""

    id: str
    name: str
    spec: dict[str, Json]


def parse_decisions(xml: bytes) -> list[DecisionDefinition]:
    """Read every decision of a DMN file.

    Raises:
        DefinitionInvalid: with every problem found, each with the element and its line.
    """
    root = read_xml(xml)
    if local_name(root) != "definitions" or not _NAMESPACES.fullmatch(namespace(root) or ""):
        message = f"the root element is {root.tag}; DMN has definitions in a namespace such as {_EXAMPLE}"
        raise DefinitionInvalid([Problem(None, root.sourceline, message)])
    problems = Problems()
    elements = {element.get("id", ""): element for element in _of(root, "decision")}
    decisions = {name: _read_decision(element, problems) for name, element in elements.items()}
    if not decisions:
        problems.add(root, "holds no decision")
    for name, element in elements.items():
        if not _NAME.fullmatch(name.replace("-", "_").replace(".", "_")) or len(name) > 255:
            problems.add(element, "needs an id: letters, digits, `_`, `-` and `.`, at most 255 characters")
    _check_requirements(decisions, elements, problems)
    if problems.found:
        raise DefinitionInvalid(problems.found)
    return [
        DecisionDefinition(name, decision["name"], cast(dict[str, Json], _closure(name, decisions)))
        for name, decision in decisions.items()
    ]


_EXAMPLE = "https://www.omg.org/spec/DMN/20191111/MODEL/"


def _of(element: Element, name: str) -> list[Element]:
    own = namespace(element)
    return [child for child in element if local_name(child) == name and namespace(child) == own]


def _text(element: Element | None, *path: str) -> str:
    for name in path:
        found = [] if element is None else _of(element, name)
        element = found[0] if found else None
    return "" if element is None else "".join(element.itertext()).strip()


def _read_decision(element: Element, problems: Problems) -> Decision:
    name = element.get("name") or element.get("id", "")
    variable = next((one.get("name", "") for one in _of(element, "variable")), "") or name
    logic = [child for child in element if namespace(child) == namespace(element)]
    logic = [child for child in logic if local_name(child) not in _DESCRIBES]
    requires = [
        required.get("href", "").rpartition("#")[2]
        for requirement in _of(element, "informationRequirement")
        for required in _of(requirement, "requiredDecision")
    ]
    decision = Decision(name=name, variable=variable, requires=requires, table=None, expression=None)
    if len(logic) != 1:
        problems.add(element, "must hold one decisionTable or one literalExpression")
    elif local_name(logic[0]) == "decisionTable":
        decision["table"] = _read_table(element, logic[0], problems)
    elif local_name(logic[0]) == "literalExpression":
        decision["expression"] = _expression(element, logic[0], _text(logic[0], "text"), problems)
    else:
        problems.add(element, f"with {local_name(logic[0])} is not supported; use a decisionTable", at=logic[0])
    return decision


def _read_table(element: Element, table: Element, problems: Problems) -> Table:
    inputs, outputs, rules = _of(table, "input"), _of(table, "output"), _of(table, "rule")
    if not outputs:
        problems.add(element, "has a table without an output", at=table)
    if len(rules) * (len(inputs) + len(outputs)) > MOST_CELLS:
        problems.add(element, f"has a table of {len(rules)} rules; at most {MOST_CELLS} cells may be", at=table)
        rules = []
    policy, aggregation = _policy(element, table, outputs, problems)
    read = Table(
        hit_policy=policy,
        aggregation=aggregation,
        inputs=[_read_input(element, one, problems) for one in inputs],
        outputs=[_read_output(element, one, problems) for one in outputs],
        rules=[_read_rule(element, one, index, problems) for index, one in enumerate(rules, start=1)],
    )
    names = [output["name"] for output in read["outputs"]]
    if len(names) > 1 and ("" in names or len(set(names)) < len(names)):
        problems.add(element, "has several outputs: each needs a name of its own", at=table)
    if policy in ("PRIORITY", "OUTPUT ORDER") and not any(output["values"] for output in read["outputs"]):
        problems.add(element, f"has the hit policy {policy}, which needs outputValues to order by", at=table)
    for rule, at in zip(read["rules"], rules, strict=True):
        if (len(rule["cells"]), len(rule["outputs"])) != (len(inputs), len(outputs)):
            problems.add(element, f"has the rule {rule['id']!r} with another number of cells than the table", at=at)
    return read


def _policy(
    element: Element, table: Element, outputs: list[Element], problems: Problems
) -> tuple[HitPolicy, Aggregation | None]:
    policy = table.get("hitPolicy") or "UNIQUE"
    policy = _POLICIES.get(policy, policy)
    if policy not in get_args(HitPolicy):
        problems.add(element, f"has the hit policy {policy!r}; it is one of {', '.join(get_args(HitPolicy))}", at=table)
    aggregation = table.get("aggregation")
    if aggregation is not None and (aggregation not in get_args(Aggregation) or policy != "COLLECT"):
        known = ", ".join(get_args(Aggregation))
        problems.add(element, f"has the aggregation {aggregation!r}; COLLECT may have {known}", at=table)
    if aggregation is not None and len(outputs) > 1:
        problems.add(element, "aggregates several outputs; one is possible", at=table)
    return cast(HitPolicy, policy), cast(Aggregation | None, aggregation)


def _read_input(element: Element, column: Element, problems: Problems) -> Input:
    holder = next(iter(_of(column, "inputExpression")), None)
    text = _text(holder, "text")
    label = column.get("label") or text
    if holder is None or not text:
        problems.add(element, f"has the input {label or column.get('id', '')!r} without an inputExpression", at=column)
        return Input(label=label, expression="", allowed=None)
    allowed = _text(column, "inputValues", "text")
    return Input(
        label=label,
        expression=_expression(element, holder, text, problems),
        allowed=_cell(element, column, allowed, problems) if allowed else None,
    )


def _read_output(element: Element, column: Element, problems: Problems) -> Output:
    default = _text(column, "defaultOutputEntry", "text")
    return Output(
        name=column.get("name") or "",
        values=_values(element, column, _text(column, "outputValues", "text"), problems),
        default=_expression(element, column, default, problems) if default else None,
    )


def _values(element: Element, column: Element, text: str, problems: Problems) -> list[Json]:
    if not text:
        return []
    tests = _cell(element, column, text, problems)["tests"]
    values = [
        test["value"]["literal"] for test in tests if "op" in test and test["op"] == "=" and "literal" in test["value"]
    ]
    if len(values) < len(tests):
        problems.add(element, f"has outputValues that are no list of literals: {text}", at=column)
    return values


def _read_rule(element: Element, rule: Element, number: int, problems: Problems) -> Rule:
    name = rule.get("id") or f"row {number}"
    cells = [_cell(element, one, _text(one, "text"), problems) for one in _of(rule, "inputEntry")]
    outputs = [(one, _text(one, "text")) for one in _of(rule, "outputEntry")]
    return Rule(
        id=name,
        cells=cells,
        outputs=[_expression(element, one, text, problems) if text not in ("", "-") else "" for one, text in outputs],
    )


def _cell(element: Element, at: Element, text: str, problems: Problems) -> Cell:
    _check_language(element, at, problems)
    try:
        return parse_cell(text)
    except ExpressionError as error:
        problems.add(element, f"has a cell that cannot be read: {error}", at=at)
        return Cell(negated=False, tests=[])


def _expression(element: Element, at: Element, text: str, problems: Problems) -> str:
    _check_language(element, at, problems)
    try:
        expressions.check(text)
    except ExpressionError as error:
        problems.add(element, f"has an expression that cannot be run: {error}", at=at)
    return text


def _check_language(element: Element, at: Element, problems: Problems) -> None:
    language = at.get("expressionLanguage", "")
    if not _LANGUAGES.fullmatch(language):
        problems.add(element, f"has an expression in {language!r}; write it in CEL, cells in S-FEEL", at=at)


def _check_requirements(decisions: dict[str, Decision], elements: dict[str, Element], problems: Problems) -> None:
    for name, decision in decisions.items():
        for required in decision["requires"]:
            if required not in decisions:
                problems.add(elements[name], f"requires the decision {required!r}, which is not in the file")
    for name in decisions:
        if name in _reached_from(name, decisions):
            problems.add(elements[name], "requires itself, over others or directly")


def _reached_from(name: str, decisions: dict[str, Decision]) -> set[str]:
    reached: set[str] = set()
    frontier = list(decisions[name]["requires"])
    while frontier:
        one = frontier.pop()
        if one in decisions and one not in reached:
            reached.add(one)
            frontier.extend(decisions[one]["requires"])
    return reached


def _closure(name: str, decisions: dict[str, Decision]) -> DecisionSpec:
    """The decision and all it requires, those that are required first."""
    needed = [*_reached_from(name, decisions), name]
    ordered = sorted(needed, key=lambda one: (len(_reached_from(one, decisions)), one))
    return DecisionSpec(decision=name, decisions={one: decisions[one] for one in ordered})
