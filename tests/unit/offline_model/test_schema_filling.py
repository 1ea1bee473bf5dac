"""Structured output: always valid against the schema, and filled from the text."""

import json

import pytest
from schema_answers import fill, of

from offline_model.conversation import Called, Conversation, OutputFormat, Returned, Said
from offline_model.decide import decide

CATEGORY = of(category={"type": "string", "enum": ["question", "problem"]})
TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("request_text", "category"),
    [
        ("How do I get a refund?", "question"),
        ("Where can I park my car", "question"),
        ("I would like to know the opening hours.", "question"),
        ("The app shows an error when I log in.", "problem"),
        ("My export fails every night.", "problem"),
        ("I cannot open the door.", "problem"),
        ("Why does my screen crash?", "problem"),
        ("My parcel is lost.", "problem"),
        ("환불은 어떻게 받나요?", "question"),
        ("로그인할 때 오류가 납니다.", "problem"),
        ("앱이 안 열려요", "problem"),
    ],
)
def test_a_request_is_told_apart_as_question_or_problem(task, request_text: str, category: str):
    assert fill(CATEGORY, task("Classify the request.", request=request_text)) == {"category": category}


def test_what_the_schema_says_about_an_option_counts(task):
    team = {
        "type": "string",
        "enum": ["it", "hr", "finance"],
        "description": "it: laptops, passwords, access; hr: leave, contracts; finance: invoices, salaries",
    }
    assert fill(of(team=team), task("Route it.", request="My two invoices for March.")) == {"team": "finance"}
    assert fill(of(team=team), task("Route it.", request="My laptop and its passwords.")) == {"team": "it"}


def test_what_the_instruction_says_about_an_option_counts(task):
    schema = of(team={"enum": ["red", "blue"]})
    instruction = "Route the request: red for plumbing and heating, blue for lawns and trees."
    assert fill(schema, task(instruction, request="Two trees on our lawns.")) == {"team": "blue"}
    assert fill(schema, task(instruction, request="The heating and the plumbing.")) == {"team": "red"}


def test_a_neutral_option_is_taken_when_the_text_speaks_for_none(task):
    schema = of(priority={"enum": ["high", "medium", "low"]}, mood={"enum": ["positive", "neutral", "negative"]})
    assert fill(schema, task("Assess.", request="Parcels on Tuesday.")) == {"priority": "medium", "mood": "neutral"}
    urgent = fill(schema, task("Assess.", request="This is urgent and terrible."))
    assert urgent == {"priority": "high", "mood": "negative"}


def test_a_value_the_input_has_under_the_same_name_is_copied(task):
    asked = task(
        "Hand over.",
        request="My parcel is lost.",
        category="question",
        orderNumber=4711,
        customer={"email": "kim@example.com"},
    )
    schema = of(category=CATEGORY["properties"]["category"], order_number={"type": "integer"}, email=TEXT)
    assert fill(schema, asked) == {"category": "question", "order_number": 4711, "email": "kim@example.com"}


def test_a_value_of_the_same_name_but_the_wrong_kind_is_not_copied(task):
    asked = task("Hand over.", request="My parcel.", category="something else", amount="many")
    schema = of(category=CATEGORY["properties"]["category"], amount={"type": "integer"})
    assert fill(schema, asked)["amount"] == 0


SOURCE = of(document_id=TEXT, title=TEXT, quote=TEXT, source=TEXT, score={"type": "number"})
ANSWER = of(
    answer=TEXT,
    summary=TEXT,
    sources={"type": "array", "items": SOURCE},
    found={"type": "boolean"},
    confidence={"type": "number"},
)


def test_an_answer_with_its_sources_is_filled_from_the_tool_results(task, documents):
    asked = task("Draft an answer.", request="When is a refund paid to my card?")
    value = fill(ANSWER, asked, ("search_documents", {"results": documents}))
    best = "Refunds are paid to the original card within 5 working days."
    assert f"{best} [1]" in value["answer"]
    assert "Sources: [1] Refund policy (refunds.md)" in value["answer"]
    assert value["summary"] == best
    assert value["sources"][0] == {
        "document_id": "d1",
        "title": "Refund policy",
        "quote": best,
        "source": "refunds.md",
        "score": 0.8,
    }
    assert value["found"] is True
    assert 0 < value["confidence"] <= 1


def test_nothing_found_is_said_in_the_answer_and_gives_no_sources(task):
    value = fill(ANSWER, task("Draft an answer.", request="Toaster warranty?"), ("search_documents", {"results": []}))
    assert "I found nothing about 'Toaster warranty'" in value["answer"]
    assert (value["sources"], value["found"], value["confidence"]) == ([], False, 0)


def test_ids_and_titles_come_from_the_save_not_from_the_search(task, documents):
    asked = task("Research and save.", request="When is a refund paid?")
    results = (
        ("search_documents", {"results": documents}),
        ("save_document", {"document_id": "new-7", "title": "Refunds paid"}),
    )
    schema = of(document_id=TEXT, title=TEXT, saved={"type": "boolean"})
    assert fill(schema, asked, *results) == {"document_id": "new-7", "title": "Refunds paid", "saved": True}


def test_an_id_without_a_save_is_the_best_source_s(task, documents):
    asked = task("Research.", request="When is a refund paid?")
    assert fill(of(document_id=TEXT), asked, ("search_documents", {"results": documents})) == {"document_id": "d1"}


def test_a_reviewer_s_comment_changes_the_answer_in_the_input(task, documents):
    asked = task(
        "Draft an answer.", request="When is a refund paid?", answer="Soon.", comment="Say what holds for gift cards"
    )
    value = fill(of(answer=TEXT), asked, ("search_documents", {"results": documents}))
    assert "Gift cards are not refundable." in value["answer"]


def test_the_sources_of_an_earlier_draft_are_not_those_of_the_new_one(task, documents):
    sources = [{"document_id": "old", "title": "Old"}]
    schema = of(sources={"type": "array", "items": of(document_id=TEXT, title=TEXT)})
    changed = task(
        "Draft an answer.", request="When is a refund paid?", answer="Soon.", sources=sources, comment="Details!"
    )
    value = fill(schema, changed, ("search_documents", {"results": documents}))
    assert value["sources"][0] == {"document_id": "d1", "title": "Refund policy"}
    kept = task("Hand it over.", request="When is a refund paid?", answer="Soon.", sources=sources)
    assert fill(schema, kept) == {"sources": sources}


def test_numbers_are_those_whose_neighbours_speak_of_the_field():
    schema = of(nights={"type": "integer", "minimum": 1}, guests={"type": "integer"}, price={"type": "number"})
    asked = "Question: We stay 3 nights with 14 guests at a price of 1,250.50 euros."
    assert fill(schema, asked) == {"nights": 3, "guests": 14, "price": 1250.5}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, 0.5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "number", "minimum": 0.25, "exclusiveMinimum": 0.25, "exclusiveMaximum": 0.5}, 0.375),
        ({"type": "number"}, 0),
    ],
)
def test_a_number_the_text_does_not_give_is_the_allowed_one_nearest_to_zero(schema, value):
    assert fill(of(size=schema), "Good morning") == {"size": value}


@pytest.mark.parametrize(
    ("name", "schema", "value"),
    [
        ("contact_email", TEXT, "kim@example.com"),
        ("homepage", {**TEXT, "format": "uri"}, "https://example.com/a"),
        ("due", {**TEXT, "format": "date"}, "2026-11-30"),
        ("phone", TEXT, "+82 10-1234-5678"),
        ("order_number", TEXT, "A-77"),
        ("code", {**TEXT, "pattern": "^[A-Z]-[0-9]+$"}, "A-77"),
    ],
)
def test_texts_of_a_known_form_are_found(name: str, schema, value: str):
    asked = (
        "Question: Write to kim@example.com or +82 10-1234-5678 by 2026-11-30, see https://example.com/a. "
        "Order number: A-77."
    )
    assert fill(of(**{name: schema}), asked) == {name: value}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (TEXT, ""),
        ({**TEXT, "format": "email"}, "unknown@example.invalid"),
        ({**TEXT, "format": "date"}, "1970-01-01"),
        ({**TEXT, "format": "date-time"}, "1970-01-01T00:00:00Z"),
        ({**TEXT, "format": "uuid"}, "00000000-0000-0000-0000-000000000000"),
        ({**TEXT, "minLength": 3}, "..."),
        ({**TEXT, "pattern": r"^\d{3}-[A-Z]{2}$"}, "000-AA"),
    ],
)
def test_a_required_text_nobody_gave_is_empty_or_the_plainest_of_its_form(schema, value: str):
    assert fill(of(zone=schema), "Good morning") == {"zone": value}


def test_a_text_is_cut_to_its_length_at_a_word(task):
    schema = of(summary={**TEXT, "maxLength": 20})
    value = fill(schema, task("Sum up.", request="The very long corridor is dark and cold."))
    assert value == {"summary": "The very long…"}


def test_optional_fields_nobody_gave_are_left_out(task):
    schema = {"type": "object", "properties": {"summary": TEXT, "zone": TEXT, "due": {**TEXT, "format": "date"}}}
    assert fill(schema, task("Sum up.", request="It rains.")) == {"summary": "It rains."}


def test_null_is_given_where_the_text_gives_nothing_else():
    schema = of(
        due={"anyOf": [{**TEXT, "format": "date"}, {"type": "null"}]},
        zone={"type": ["string", "null"]},
        level={"anyOf": [{"type": "integer"}, {"type": "null"}]},
    )
    assert fill(schema, "Good morning") == {"due": None, "zone": None, "level": None}
    assert fill(schema, "Question: Due 2026-11-30, level 4")["due"] == "2026-11-30"


def test_references_and_constants_are_followed(task):
    schema = {
        "type": "object",
        "$defs": {
            "Kind": {"type": "string", "enum": ["question", "problem"]},
            "Part": {"type": "object", "properties": {"kind": {"$ref": "#/$defs/Kind"}}, "required": ["kind"]},
        },
        "properties": {
            "version": {"const": 2},
            "part": {"$ref": "#/$defs/Part", "description": "the part"},
            "both": {
                "allOf": [{"$ref": "#/$defs/Part"}, {"properties": {"done": {"const": True}}, "required": ["done"]}]
            },
        },
        "required": ["version", "part", "both"],
    }
    value = fill(schema, task("Classify.", request="The lift is broken."))
    assert value == {"version": 2, "part": {"kind": "problem"}, "both": {"kind": "problem", "done": True}}


def test_a_schema_that_holds_itself_ends():
    node = of(
        name=TEXT, children={"type": "array", "items": {"$ref": "#"}}, next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}
    )
    assert fill(node, "Good morning")["children"] == []


def test_of_several_objects_the_one_the_text_fits_is_chosen(task):
    question = {"title": "Question", **of(kind={"const": "question"}, summary=TEXT)}
    problem = {"title": "Problem", **of(kind={"const": "problem"}, summary=TEXT)}
    schema = of(case={"anyOf": [question, problem]})
    assert fill(schema, task("Classify.", request="The lift is broken."))["case"]["kind"] == "problem"
    assert fill(schema, task("Classify.", request="How do I ride the lift?"))["case"]["kind"] == "question"


def test_lists_are_filled_by_their_names(task, documents):
    schema = of(
        sources={"type": "array", "items": TEXT},
        keywords={"type": "array", "items": TEXT, "maxItems": 2},
        key_points={"type": "array", "items": TEXT},
        queries={"type": "array", "items": TEXT},
        things={"type": "array", "items": TEXT},
    )
    value = fill(
        schema, task("Research.", request="When is a refund paid?"), ("search_documents", {"results": documents})
    )
    assert value["sources"][0] == "Refund policy (refunds.md)"
    assert value["keywords"] == ["refund", "paid"]
    assert "Refunds are paid to the original card within 5 working days." in value["key_points"]
    assert value["queries"] == ["refund paid", "refund"]
    assert value["things"] == []


def test_lists_keep_their_bounds():
    schema = of(
        labels={"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 2, "uniqueItems": True},
        codes={"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
        pair={"type": "array", "prefixItems": [TEXT, {"type": "integer"}], "minItems": 2, "maxItems": 2},
        parts={"type": "array", "items": of(zone=TEXT), "minItems": 1},
    )
    value = fill(schema, "Good morning")
    assert (value["codes"], value["pair"], value["parts"]) == ([0, 1, 2], ["", 0], [{"zone": ""}])


def test_sources_of_no_told_form_get_a_plain_one(task, documents):
    schema = of(sources={"type": "array", "items": {"type": "object"}})
    value = fill(
        schema, task("Research.", request="When is a refund paid?"), ("search_documents", {"results": documents})
    )
    assert value["sources"][0]["document_id"] == "d1"
    assert value["sources"][0]["quote"] in documents[0]["text"]


def test_a_schema_asked_for_in_words_is_filled(task):
    schema = json.dumps(CATEGORY, indent=2)
    rules = f"Answer with one JSON object that satisfies this JSON Schema, and with nothing else:\n  {schema}\nBe kind."
    items = (Said("system", rules), Said("user", task("Classify.", request="The lift is broken.")))
    assert json.loads(decide(Conversation(items)).text) == {"category": "problem"}


@pytest.mark.parametrize("mention", ["a JSON Schema", 'a JSON Schema: {"type": "thing"}', "a JSON Schema: {broken"])
def test_a_schema_that_is_only_spoken_of_changes_nothing(mention: str):
    items = (Said("user", f"What is {mention} good for?"),)
    assert decide(Conversation(items)).text.startswith("I am an offline extractive model")


def test_a_correction_of_the_form_is_answered_for_the_request_it_corrects(task, documents):
    items = (
        Said("user", task("Draft an answer.", request="When is a refund paid?")),
        Called("c", "search_documents", {"query": "refund paid"}),
        Returned("c", json.dumps({"results": documents})),
        Said("assistant", "Soon."),
        Said("user", "Your answer cannot be used:\nit is no JSON. Send the whole answer again."),
    )
    value = json.loads(decide(Conversation(items, output=OutputFormat(of(answer=TEXT), "schema"))).text)
    assert "Refunds are paid to the original card within 5 working days. [1]" in value["answer"]


def test_a_boolean_is_what_the_text_says(task):
    schema = of(urgent={"type": "boolean"}, refundable={"type": "boolean"}, approved={"type": "boolean"})
    value = fill(schema, task("Assess.", request="This is urgent. It is not refundable. approved: yes"))
    assert value == {"urgent": True, "refundable": False, "approved": True}
