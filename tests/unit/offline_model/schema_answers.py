"""What the offline model answers when it is asked for JSON of a schema."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from offline_model.conversation import Called, Conversation, OutputFormat, Returned, Said
from offline_model.decide import decide


def fill(schema: dict[str, Any], asked: str, *results: tuple[str, Any], rules: str = "") -> Any:
    items: list = [Said("system", rules), Said("user", asked)]
    for number, (name, result) in enumerate(results):
        items += [
            Called(f"c{number}", name, {"n": number}),
            Returned(f"c{number}", json.dumps(result, ensure_ascii=False)),
        ]
    value = json.loads(decide(Conversation(tuple(items), output=OutputFormat(schema, "schema"))).text)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)
    return value


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
