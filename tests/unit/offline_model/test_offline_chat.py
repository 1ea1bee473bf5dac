"""Chat completions as the real OpenAI client sends and reads them."""

import json

import httpx2
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

SEARCH = {
    "type": "function",
    "function": {
        "name": "search_documents",
        "description": "Search the documents of the company",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}
QUESTION = [{"role": "user", "content": "When is a refund paid to my card?"}]


def with_search_result(result):
    arguments = json.dumps({"query": "refund paid card"})
    call = {"id": "call_1", "type": "function", "function": {"name": "search_documents", "arguments": arguments}}
    return [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]


def test_the_model_list_names_the_offline_model(client: OpenAI):
    assert [(model.id, model.owned_by) for model in client.models.list()] == [("offline-extractive-1", "process-fleet")]


def test_any_model_name_is_answered_by_a_model_that_says_what_it_is(client: OpenAI):
    answer = client.chat.completions.create(model="gpt-anything", messages=QUESTION)
    assert answer.model == "offline-extractive-1"
    assert answer.system_fingerprint and "extractive" in answer.system_fingerprint
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.choices[0].message.content or "").startswith(
        "I am an offline extractive model; I found nothing about"
    )


def test_usage_adds_up_and_grows_with_the_prompt(client: OpenAI):
    short = client.chat.completions.create(model="m", messages=QUESTION).usage
    long = client.chat.completions.create(
        model="m", messages=[{"role": "system", "content": "Be kind."}, *QUESTION]
    ).usage
    assert short and long
    assert short.total_tokens == short.prompt_tokens + short.completion_tokens
    assert long.prompt_tokens == short.prompt_tokens + 3 + 3  # "Be", "kind", "." and the frame of a message


def test_the_same_request_gets_the_same_bytes(server_url: str):
    body = {"model": "m", "messages": QUESTION, "tools": [SEARCH]}
    answers = [httpx2.post(f"{server_url}/chat/completions", json=body).content for _ in range(2)]
    streams = [httpx2.post(f"{server_url}/chat/completions", json=body | {"stream": True}).content for _ in range(2)]
    assert answers[0] == answers[1]
    assert streams[0] == streams[1]


def test_a_search_is_called_with_the_key_words_of_the_question(client: OpenAI):
    choice = client.chat.completions.create(model="m", messages=QUESTION, tools=[SEARCH]).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls
    call = choice.message.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "search_documents",
        {"query": "refund paid card"},
    )


def test_tool_call_ids_differ_along_a_conversation(client: OpenAI):
    first = client.chat.completions.create(model="m", messages=QUESTION, tools=[SEARCH])
    second = client.chat.completions.create(model="m", messages=with_search_result("[]"), tools=[SEARCH])
    assert first.choices[0].message.tool_calls and second.choices[0].message.tool_calls
    assert first.choices[0].message.tool_calls[0].id != second.choices[0].message.tool_calls[0].id


def test_the_final_answer_quotes_the_tool_result_and_names_its_source(client: OpenAI, documents):
    messages = with_search_result(json.dumps({"results": documents}))
    answer = client.chat.completions.create(model="m", messages=messages, tools=[SEARCH]).choices[0].message.content
    assert answer
    assert "Refunds are paid to the original card within 5 working days. [1]" in answer
    assert answer.splitlines()[-1].startswith("Sources: [1] Refund policy (refunds.md)")


def test_tool_choice_none_calls_nothing(client: OpenAI):
    choice = client.chat.completions.create(model="m", messages=QUESTION, tools=[SEARCH], tool_choice="none").choices[0]
    assert choice.message.tool_calls is None


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "function": {"name": "search_documents"}},
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "search_documents"}}],
            },
        },
    ],
)
def test_a_demanded_call_is_made_even_for_small_talk(client: OpenAI, choice):
    messages = [{"role": "user", "content": "Good morning dear colleague"}]
    unasked = client.chat.completions.create(model="m", messages=messages, tools=[SEARCH])
    assert unasked.choices[0].message.tool_calls is None
    asked = client.chat.completions.create(model="m", messages=messages, tools=[SEARCH], tool_choice=choice)
    assert asked.choices[0].message.tool_calls


class Triage(BaseModel):
    category: str = Field(json_schema_extra={"enum": ["question", "problem"]})
    summary: str


def test_parse_gives_a_pydantic_model(client: OpenAI):
    messages = [{"role": "user", "content": 'Classify.\n\nInput: {"request": "The lift is broken. It hums."}'}]
    parsed = client.chat.completions.parse(model="m", messages=messages, response_format=Triage)
    assert parsed.choices[0].message.parsed == Triage(category="problem", summary="The lift is broken.")


def test_json_schema_output_is_json_text(client: OpenAI):
    schema = {"type": "object", "properties": {"urgent": {"type": "boolean"}}, "required": ["urgent"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "urgency", "schema": schema}}
    messages = [{"role": "user", "content": "Our shop is down, this is urgent"}]
    answer = client.chat.completions.create(model="m", messages=messages, response_format=wanted)
    assert json.loads(answer.choices[0].message.content or "") == {"urgent": True}


def test_json_object_output_has_answer_and_sources(client: OpenAI, documents):
    messages = with_search_result(json.dumps({"results": documents}))
    answer = client.chat.completions.create(model="m", messages=messages, response_format={"type": "json_object"})
    value = json.loads(answer.choices[0].message.content or "")
    assert list(value) == ["answer", "sources"]
    assert value["sources"][0] | {"quote": ""} == {"title": "Refund policy", "source": "refunds.md", "quote": ""}


def test_a_token_limit_cuts_the_text_and_says_so(client: OpenAI):
    choice = client.chat.completions.create(model="m", messages=QUESTION, max_completion_tokens=5).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("I am an offline", "length")


def test_a_stop_text_ends_the_answer(client: OpenAI):
    choice = client.chat.completions.create(model="m", messages=QUESTION, stop=[" extractive"]).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("I am an offline", "stop")


def test_a_stream_carries_the_same_text_and_usage_as_the_whole(client: OpenAI):
    whole = client.chat.completions.create(model="m", messages=QUESTION)
    stream = client.chat.completions.create(
        model="m", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert len(chunks) > 4
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert {chunk.model for chunk in chunks} == {"offline-extractive-1"}


def test_a_stream_without_usage_option_has_no_usage_chunk(client: OpenAI):
    chunks = list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_the_stream_helper_collects_a_tool_call(client: OpenAI):
    with client.chat.completions.stream(model="m", messages=QUESTION, tools=[SEARCH]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.delta" in kinds
    assert "tool_calls.function.arguments.done" in kinds
    assert final.choices[0].finish_reason == "tool_calls"
    assert final.choices[0].message.tool_calls
    function = final.choices[0].message.tool_calls[0].function
    assert (function.name, json.loads(function.arguments)) == ("search_documents", {"query": "refund paid card"})


def test_the_stream_helper_parses_structured_output(client: OpenAI):
    messages = [{"role": "user", "content": 'Classify.\n\nInput: {"request": "How do I reset my password?"}'}]
    with client.chat.completions.stream(model="m", messages=messages, response_format=Triage) as stream:
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert parsed == Triage(category="question", summary="How do I reset my password?")
