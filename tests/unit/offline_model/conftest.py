"""A real offline model server on a free loopback port, and the real OpenAI client pointed at it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import OpenAI

from offline_model.conversation import Called, Conversation, OutputFormat, Returned, Said, Tool
from offline_model.decide import decide

DOCUMENTS = [
    {
        "document_id": "d1",
        "title": "Refund policy",
        "source": "refunds.md",
        "chunk": 0,
        "text": "# Refunds\n\nCustomers may ask for a refund within 30 days of purchase. Refunds are paid to the "
        "original card within 5 working days. Gift cards are not refundable.",
        "score": 0.8,
    },
    {
        "document_id": "d2",
        "title": "Shipping",
        "source": "shipping.md",
        "chunk": 3,
        "text": "Orders ship in two days. Returned goods must be sent back before a refund is paid. The canteen opens "
        "at noon.",
        "score": 0.5,
    },
]


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    command = [sys.executable, "-m", "offline_model", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout and server.stderr
        ready = server.stdout.readline()
        assert ready.startswith("offline model ready at http://127.0.0.1:"), server.stderr.read()
        yield ready.removeprefix("offline model ready at ").strip()
        server.terminate()
        assert (server.wait(10), server.stderr.read()) == (0, "")


@pytest.fixture
def client(server_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=server_url, api_key="not-needed", max_retries=0) as client:
        yield client


@pytest.fixture
def documents() -> list[dict[str, Any]]:
    return [dict(document) for document in DOCUMENTS]


@pytest.fixture
def search_tool() -> Tool:
    properties = {"query": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}}
    schema = {"type": "object", "properties": properties, "required": ["query"]}
    return Tool("search_documents", "Search the documents of the company", schema)


@pytest.fixture
def save_tool() -> Tool:
    properties = {
        "title": {"type": "string"},
        "content": {"type": "string"},
        "sources": {"type": "array", "items": {"type": "string"}},
        "folder": {"type": "string"},
    }
    schema = {"type": "object", "properties": properties, "required": ["title", "content"]}
    return Tool("save_document", "Save a document so that later searches find it", schema)


@pytest.fixture
def run_agent() -> Callable[..., tuple[list[tuple[str, dict[str, Any]]], str]]:
    """Plays a conversation to its end: returns the calls made and the final text."""

    def run(
        asked: str,
        tools: list[Tool],
        answer_call: Callable[[str, dict[str, Any]], Any],
        schema: dict[str, Any] | None = None,
        rules: str = "",
    ) -> tuple[list[tuple[str, dict[str, Any]]], str]:
        items: list[Said | Called | Returned] = [Said("system", rules), Said("user", asked)]
        calls: list[tuple[str, dict[str, Any]]] = []
        while True:
            output = OutputFormat(schema, "schema")
            decision = decide(Conversation(tuple(items), tuple(tools), output=output))
            if decision.call is None:
                return calls, decision.text
            call = (decision.call.name, dict(decision.call.arguments))
            assert len(calls) < 20
            calls.append(call)
            result = answer_call(*call)
            text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
            items += [Called(f"call-{len(calls)}", *call), Returned(f"call-{len(calls)}", text)]

    return run


@pytest.fixture
def task() -> Callable[..., str]:
    """Writes a user message the way tasks are sent: an instruction and its input values."""

    def write(instruction: str, **values: Any) -> str:
        return f"{instruction}\n\nInput:\n{json.dumps(values, ensure_ascii=False, indent=2)}"

    return write
