"""The responses endpoint as the real OpenAI client sends and reads it."""

import json

from openai import OpenAI
from pydantic import BaseModel, Field

SEARCH = {
    "type": "function",
    "name": "search_documents",
    "description": "Search the documents of the company",
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": False,
    },
    "strict": True,
}
QUESTION = "When is a refund paid to my card?"


class Triage(BaseModel):
    category: str = Field(json_schema_extra={"enum": ["question", "problem"]})
    summary: str


def test_a_plain_response_says_what_it_is(client: OpenAI):
    response = client.responses.create(model="gpt-anything", input=QUESTION, metadata={"task": "7"})
    assert response.model == "offline-extractive-1"
    assert response.status == "completed"
    assert response.output_text.startswith("I am an offline extractive model; I found nothing about")
    assert response.metadata and response.metadata["task"] == "7"
    assert response.metadata["kind"] == "extractive"
    assert response.usage
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_the_same_request_gets_the_same_response(client: OpenAI):
    first, second = (client.responses.create(model="m", input=QUESTION, tools=[SEARCH]) for _ in range(2))
    assert first.to_json() == second.to_json()


def test_a_tool_is_called_and_its_output_answered_from(client: OpenAI, documents):
    first = client.responses.create(model="m", input=QUESTION, tools=[SEARCH])
    call = first.output[0]
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("search_documents", {"query": "refund paid card"})
    result = {"type": "function_call_output", "call_id": call.call_id, "output": json.dumps({"results": documents})}
    conversation = [{"role": "user", "content": QUESTION}, call.to_dict(), result]
    second = client.responses.create(model="m", input=conversation, tools=[SEARCH])
    assert "Refunds are paid to the original card within 5 working days. [1]" in second.output_text
    assert "Sources: [1] Refund policy (refunds.md)" in second.output_text


def test_tool_output_may_come_in_parts_and_thoughts_of_other_models_are_passed_over(client: OpenAI):
    conversation = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "search_documents", "arguments": '{"query": "refund"}'},
        {
            "type": "function_call_output",
            "call_id": "c1",
            "output": [{"type": "input_text", "text": "A refund is paid on Friday."}],
        },
    ]
    response = client.responses.create(model="m", input=conversation)
    assert response.output_text == "A refund is paid on Friday. [1]\n\nSources: [1] search_documents"


def test_the_stream_helper_gets_text_piece_by_piece(client: OpenAI):
    whole = client.responses.create(model="m", input=QUESTION)
    with client.responses.stream(model="m", input=QUESTION) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = list(dict.fromkeys(event.type for event in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert final.output_text == whole.output_text
    assert final.usage and whole.usage
    assert final.usage.total_tokens > 0


def test_the_stream_helper_collects_a_tool_call(client: OpenAI):
    with client.responses.stream(model="m", input=QUESTION, tools=[SEARCH]) as stream:
        deltas = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        call = stream.get_final_response().output[0]
    assert call.type == "function_call"
    assert "".join(deltas) == call.arguments
    assert json.loads(call.arguments) == {"query": "refund paid card"}


def test_parse_gives_a_pydantic_model(client: OpenAI):
    asked = 'Classify the request.\n\nInput: {"request": "The printer shows an error. It is red."}'
    response = client.responses.parse(model="m", input=asked, text_format=Triage)
    assert response.output_parsed == Triage(category="problem", summary="The printer shows an error.")


def test_instructions_are_the_rules_not_the_request(client: OpenAI):
    response = client.responses.create(
        model="m", instructions="You know refunds.", input="Good morning", tools=[SEARCH]
    )
    assert response.output[0].type == "message"


def test_a_token_limit_makes_the_response_incomplete(client: OpenAI):
    response = client.responses.create(model="m", input=QUESTION, max_output_tokens=5)
    assert (response.status, response.output_text) == ("incomplete", "I am an offline")
    assert response.incomplete_details and response.incomplete_details.reason == "max_output_tokens"


def test_a_named_tool_is_called(client: OpenAI):
    response = client.responses.create(
        model="m",
        input="Good morning dear colleague",
        tools=[SEARCH],
        tool_choice={"type": "function", "name": "search_documents"},
    )
    assert response.output[0].type == "function_call"
