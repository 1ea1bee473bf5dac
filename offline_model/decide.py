"""One step of the model: call a tool, or give the final answer as text or as JSON by a schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offline_model.conversation import Conversation
from offline_model.evidence.reading import Reading
from offline_model.schema.facts import Facts
from offline_model.schema.fill import fill
from offline_model.schema.in_words import schema_in
from offline_model.tools.steps import Call, next_call

_JSON_OBJECT_SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "sources": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("title", "source", "quote")},
                "required": ["title", "source", "quote"],
            },
        },
    },
    "required": ["answer", "sources"],
}
"""What a request for "some JSON object" without a schema gets."""


@dataclass(frozen=True)
class Decision:
    """What the model does next: a tool `call`, or (when that is None) the final `text`."""

    text: str = ""
    call: Call | None = None


def decide(conversation: Conversation) -> Decision:
    """Return the next step of `conversation`: the same for the same conversation, always.

    Raises `SchemaUnmet` when the wanted schema, or a tool's, cannot be met.
    """
    reading = Reading(conversation)
    call = next_call(reading)
    if call:
        return Decision(call=call)
    output = conversation.output
    if output.schema is not None:
        return Decision(text=_json_answer(reading, output.schema, output.field))
    told = schema_in("\n".join([conversation.rules(), *(text for _, text in conversation.requests())]))
    if told is not None:
        return Decision(text=_json_answer(reading, told, "messages"))
    return Decision(text=_text_answer(reading))


def json_object_schema() -> Mapping[str, Any]:
    """Return the schema of an answer in JSON for which the request gave none."""
    return _JSON_OBJECT_SCHEMA


def _json_answer(reading: Reading, schema: Mapping[str, Any], field: str) -> str:
    return json.dumps(fill(schema, Facts(reading), {}, field).value, ensure_ascii=False)


def _text_answer(reading: Reading) -> str:
    """Return the answer with its sources, then what was saved and what failed on the way."""
    parts = [Facts(reading).answer_text(with_sources=True)]
    if reading.saved is not None:
        named = ", ".join(f"{name}: {value}" for name, value in reading.saved.items() if isinstance(value, str | int))
        parts.append(f"Saved ({named})." if named else "Saved.")
    parts += [f"A tool failed: {error}" for error in reading.errors]
    return "\n\n".join(parts)
