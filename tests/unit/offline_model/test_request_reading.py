"""How a request is taken apart: instruction, subject, comment, inputs."""

import json

import pytest

from offline_model.conversation import Called, Conversation, Returned, Said
from offline_model.evidence.request import read_request


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


def test_the_running_request_is_what_the_user_said_since_the_last_answer():
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
    assert conversation.asked() == "New\n\nand more"
    assert conversation.rules() == "Rules\n\nMore rules"
    assert [use.name for use in conversation.tool_uses(this_turn=True)] == ["f"]


def test_calls_of_earlier_turns_are_not_of_this_turn():
    items = (Said("user", "Old"), Called("c", "f", {}), Returned("c", "1"), Said("assistant", "A"), Said("user", "New"))
    conversation = Conversation(items)
    assert conversation.tool_uses(this_turn=True) == []
    assert [(use.name, use.result) for use in conversation.tool_uses()] == [("f", "1")]


def test_rules_alone_are_the_request():
    assert Conversation((Said("system", json.dumps("Say hello")),)).asked() == '"Say hello"'
