"""Bad requests are refused in OpenAI's shape: they name the field, the value and the remedy."""

import httpx2
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def post(server_url: str, path: str, body) -> tuple[int, dict]:
    response = httpx2.post(f"{server_url}{path}", json=body)
    return response.status_code, response.json()["error"]


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({"messages": HELLO}, "model", "Missing required parameter: 'model'"),
        ({"model": "m"}, "messages", "Missing required parameter: 'messages'"),
        ({"model": "m", "messages": []}, "messages", "at least 1 item"),
        ({"model": "m", "messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role", "'robot'"),
        ({"model": "m", "messages": [{"role": "user", "content": 7}]}, "messages[0].content", "valid string"),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content",
            "this model reads text only",
        ),
        (
            {"model": "m", "messages": [{"role": "tool", "tool_call_id": "x", "content": "1"}]},
            "messages[0].tool_call_id",
            "no earlier call",
        ),
        ({"model": "m", "messages": HELLO, "n": 2}, "n", "Input should be 1"),
        ({"model": "m", "messages": HELLO, "max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"model": "m", "messages": HELLO, "tools": [{"type": "web"}]}, "tools[0].type", "'web'"),
        ({"model": "m", "messages": HELLO, "tools": [TOOL], "tool_choice": "all"}, "tool_choice", "'all'"),
        ({"model": "m", "messages": HELLO, "tool_choice": "required"}, "tool_choice", "tools is empty"),
        (
            {
                "model": "m",
                "messages": HELLO,
                "tools": [TOOL],
                "tool_choice": {"type": "function", "function": {"name": "g"}},
            },
            "tool_choice",
            "'g', which is not in tools",
        ),
        (
            {"model": "m", "messages": HELLO, "response_format": {"type": "json_schema"}},
            "response_format.json_schema",
            "needs json_schema",
        ),
        (
            {
                "model": "m",
                "messages": HELLO,
                "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "thing"}}},
            },
            "response_format.json_schema.schema",
            "not a valid JSON schema",
        ),
    ],
)
def test_a_bad_chat_request_names_its_field(server_url: str, body, param: str, says: str):
    status, error = post(server_url, "/chat/completions", body)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert says in error["message"]


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({"model": "m"}, "input", "Missing required parameter: 'input'"),
        ({"model": "m", "input": "Hi", "previous_response_id": "r1"}, "previous_response_id", "send all in input"),
        ({"model": "m", "input": [{"type": "computer_call"}]}, "input[0]", "computer_call"),
        ({"model": "m", "input": [{"role": "robot", "content": "Hi"}]}, "input[0].role", "'robot'"),
        (
            {"model": "m", "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}]},
            "input[0].arguments",
            "JSON text of an object",
        ),
        (
            {"model": "m", "input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]},
            "input[0].call_id",
            "No tool call found",
        ),
        ({"model": "m", "input": "Hi", "text": {"format": {"type": "json_schema"}}}, "text.format.schema", "needs"),
    ],
)
def test_a_bad_responses_request_names_its_field(server_url: str, body, param: str, says: str):
    status, error = post(server_url, "/responses", body)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert says in error["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m"}, "input"),
        ({"model": "m", "input": ""}, "input[0]"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": [1, 2]}, "input"),
        ({"model": "m", "input": "x", "dimensions": 0}, "dimensions"),
        ({"model": "m", "input": "x", "dimensions": 1537}, "dimensions"),
        ({"model": "m", "input": "x", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_a_bad_embeddings_request_names_its_field(server_url: str, body, param: str):
    status, error = post(server_url, "/embeddings", body)
    assert (status, error["param"]) == (400, param)


def test_the_client_raises_its_own_errors(client: OpenAI):
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(model="m", messages=[])
    assert (refused.value.param, refused.value.code) == ("messages", "invalid_value")
    with pytest.raises(NotFoundError) as unknown:
        client.files.list()
    assert unknown.value.code == "unknown_url"


def test_a_body_that_is_no_json_is_refused(server_url: str):
    response = httpx2.post(f"{server_url}/chat/completions", content=b"{not json")
    assert response.status_code == 400
    assert "not valid JSON" in response.json()["error"]["message"]


def test_a_wrong_method_is_refused_in_the_same_shape(server_url: str):
    response = httpx2.get(f"{server_url}/chat/completions")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["error"]["type"] == "invalid_request_error"
