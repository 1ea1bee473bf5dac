"""How a request is taken apart: instruction, subject, comment, inputs."""

import pytest

from offline_model.conversation import Called, Conversation, Returned, Said
from offline_model.evidence.request import current_request, read_request


def test_an_input_block_gives_the_values_and_leaves_the_instruction(task):
    request = read_request("Be kind.", task("Draft an answer.", request="When?", comment="Shorter", order={"id": 7}))
    assert (request.rules, request.instruction) == ("Be kind.", "Draft an answer.")
    assert (request.subject, request.comment, request.own_words) == ("When?", "Shorter", False)
    assert request.inputs == {"request": "When?", "comment": "Shorter", "order": {"id": 7}}


@pytest.mark.parametrize(
    ("values", "subject"),
    [
        ({"topic": "T", "question": "Q"}, "Q"),
        ({"order": {"query": "inner"}}, "inner"),
        ({"request": {"title": "Lift", "body": "It hums."}}, "Lift\nIt hums."),
        ({"request": "", "text": "the text"}, "the text"),
        ({"질문": "언제?"}, "언제?"),
    ],
)
def test_the_subject_is_the_first_value_of_a_telling_name(task, values, subject: str):
    assert read_request("", task("Do it.", **values)).subject == subject


def test_an_input_in_a_code_fence_is_read():
    request = read_request("", 'Answer.\n\nInput:\n```json\n{"request": "When?"}\n```\nBe brief.')
    assert (request.subject, request.instruction) == ("When?", "Answer.\n\n\nBe brief.")


def test_other_labels_name_one_value():
    request = read_request("", 'Judge.\nQuestion: When?\nEvidence: [{"text": "At noon."}]')
    assert request.inputs == {"Evidence": [{"text": "At noon."}]}
    assert (request.subject, request.instruction) == ("When?", "Judge.")


def test_broken_json_stays_text():
    request = read_request("", 'Answer.\nInput: {"request": ')
    assert request.inputs == {}
    assert 'Input: {"request":' in request.instruction


def test_without_values_the_subject_is_all_of_the_text():
    request = read_request("", "When is a refund paid?")
    assert request.subject == request.instruction == "When is a refund paid?"
    assert request.own_words


def test_a_request_is_what_the_user_said_until_the_model_answered():
    items = (
        Said("system", "Rules"),
        Said("user", "Old"),
        Said("assistant", "Done"),
        Said("user", "New"),
        Said("system", "More rules"),
        Said("user", "and more"),
        Called("c", "f", {}),
        Returned("c", "1"),
        Said("user", "Now use it"),
        Said("user", "really"),
    )
    conversation = Conversation(items)
    assert conversation.requests() == [(1, "Old"), (5, "New\n\nand more")]
    assert conversation.rules() == "Rules\n\nMore rules"
    assert [(use.name, use.result) for use in conversation.tool_uses(since=5)] == [("f", "1")]
    assert conversation.tool_uses(since=7) == []


def test_rules_alone_are_the_request():
    assert Conversation((Said("system", "Say hello"),)).requests() == [(0, "Say hello")]


def test_a_new_question_is_a_request_of_its_own():
    place, request = current_request("", ["When is a refund paid?", "When do orders ship?"])
    assert (place, request.subject, request.comment) == (1, "When do orders ship?", "")


def test_words_after_a_request_with_values_are_a_comment_on_it(task):
    first = task("Draft an answer.", request="When is a refund paid?", comment="Be short")
    place, request = current_request("", [first, "Name the gift cards too."])
    assert (place, request.subject) == (0, "When is a refund paid?")
    assert request.comment == "Be short\nName the gift cards too."


def test_words_about_the_form_of_the_answer_are_no_comment(task):
    first = task("Draft an answer.", request="When is a refund paid?")
    place, request = current_request("", [first, "Your answer cannot be used: it is no JSON. Send it again."])
    assert (place, request.subject, request.comment) == (0, "When is a refund paid?", "")


def test_a_schema_in_the_text_is_no_value():
    request = read_request("", 'Answer by this JSON Schema:\n{"type": "object"}\nQuestion: When?')
    assert request.inputs == {}
