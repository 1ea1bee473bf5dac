"""Compares an answer with what the OpenAPI document says about it."""

import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator, FormatChecker

_NO_OPERATION = frozenset({404, 405})


def check_answer(document: dict[str, Any], response: httpx.Response) -> None:
    """Fail where `response` is not among the documented answers of its operation.

    What answers an address or a method that does not exist, and what the gate says about these, must be a problem.
    """
    operation = _operation(document, response.request.method.lower(), response.request.url.path)
    if operation is None:
        if response.status_code in _NO_OPERATION | {401}:
            _check_schema(document, {"$ref": "#/components/schemas/Problem"}, response)
        return
    documented = operation["responses"].get(str(response.status_code))
    assert documented is not None, f"undocumented: {response.status_code} {response.text}"
    media_type = response.headers["content-type"].split(";")[0]
    assert media_type in documented["content"], f"undocumented: {media_type} {response.text}"
    if media_type.endswith("json"):
        _check_schema(document, documented["content"][media_type]["schema"], response)
    undocumented = {"idempotency-replayed", "location"} & set(response.headers) - {
        name.lower() for name in documented.get("headers", {})
    }
    assert not undocumented


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """A validator for a schema that may refer to the document's components."""
    return Draft202012Validator({**schema, "components": document["components"]}, format_checker=FormatChecker())


def _check_schema(document: dict[str, Any], schema: dict[str, Any], response: httpx.Response) -> None:
    validator(document, schema).validate(response.json())


def _operation(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    for template in sorted(document["paths"], key=lambda t: t.count("{")):
        pattern = re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method in document["paths"][template]:
            return document["paths"][template][method]
    return None
