"""Reading answers: what is taken, and how it is said what is wrong."""

import pytest
from loopback_server import serving
from starlette.responses import JSONResponse

from orchestrators import kit
from orchestrators.answers.ledger import Ledger
from orchestrators.answers.output_form import LONGEST_PROBLEM, OutputForm, Reading

AMOUNT = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}


def read(answer: str, schema: dict | None = AMOUNT) -> Reading:
    return OutputForm(schema, Ledger()).read(answer, last_chance=False)


@pytest.mark.parametrize(
    "answer", ['{"amount": 1}', ' {"amount": 1}\n', '```json\n{"amount": 1}\n```', '```\n{"amount": 1}\n```']
)
def test_an_object_is_taken_bare_or_in_a_code_fence(answer: str) -> None:
    assert read(answer) == Reading({"amount": 1})


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "It is not a JSON object: Expecting value"),
        ("[1]", "It is not a JSON object: it is list"),
        ('{"amount": NaN}', "It is not a JSON object: JSON has no NaN"),
        ('{"amount": "1"}', "$.amount: '1' is not of type 'number'"),
        ("{}", "$: 'amount' is a required property"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(answer: str, problem: str) -> None:
    assert read(answer).problems.startswith(problem)


def test_many_and_long_problems_are_cut() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "number"}}
    answer = "{" + ", ".join(f'"{name}": "{"x" * 1000}"' for name in "abcdefgh") + "}"
    lines = read(answer, schema).problems.split("\n")
    assert [line[:4] for line in lines] == ["$.a:", "$.b:", "$.c:", "$.d:", "$.e:"]
    assert all(len(line) == LONGEST_PROBLEM for line in lines)


def test_dropped_sources_are_named_among_the_problems() -> None:
    schema = {"type": "object", "properties": {"sources": {"type": "array", "minItems": 1}}}
    reading = read('{"sources": ["doc-1"]}', schema)
    assert reading.problems.split("\n")[-1] == "$.sources: no tool returned doc-1"
    assert reading.dropped == ["doc-1"]


def test_without_a_schema_any_text_is_the_output_but_none_is_not() -> None:
    assert read("Yes.", None) == Reading({"text": "Yes."})
    assert read("  ", None).problems == "The answer is empty."
    assert OutputForm(None, Ledger()).response_format is None


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array"}, "output_schema.type is 'array'"),
        ({"type": "object", "properties": 3}, r"output_schema is not a JSON Schema: \$.properties: 3"),
    ],
)
def test_a_wrong_schema_is_refused_with_its_place(schema: dict, words: str) -> None:
    with pytest.raises(kit.Refused, match=words):
        OutputForm(schema, Ledger())


def referring_to(reference: str) -> dict:
    return {"type": "object", "properties": {"amount": {"$ref": reference}}}


def test_a_reference_to_nothing_is_refused() -> None:
    with pytest.raises(kit.Refused, match="output_schema refers to '/\\$defs/missing'"):
        read('{"amount": 1}', referring_to("#/$defs/missing"))


@pytest.mark.filterwarnings("ignore:Automatically retrieving remote references")
def test_a_reference_to_an_address_is_refused_and_not_fetched() -> None:
    with serving(JSONResponse({"type": "string"})) as url, pytest.raises(kit.Refused, match="output_schema refers to"):
        read('{"amount": 1}', referring_to(f"{url}/schema.json"))


def test_a_schema_without_a_type_is_sent_as_one_of_an_object() -> None:
    form = OutputForm({"properties": {"amount": {"type": "number"}}}, Ledger())
    assert form.response_format
    assert form.response_format["json_schema"]["schema"]["type"] == "object"
