import json
import re
from pathlib import Path
from typing import Any

import pytest
from documented_answers import validator
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from execution_api.access.scopes import OPEN_PATHS
from execution_api.bodies.rows import Request
from execution_api.requests.problems import MEDIA_TYPE
from process_engine.reading.definition import parse

Document = dict[str, Any]
ROOT = Path(__file__).resolve().parents[4]


def operations(document: Document) -> list[tuple[str, Document]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere_and_every_schema_is_one(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert references(document) <= {f"#/components/schemas/{name}" for name in schemas}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert "HTTPValidationError" not in schemas


def test_every_operation_says_what_it_is(document: Document) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names)) > 40
    tags = {tag["name"] for tag in document["tags"]}
    for where, operation in operations(document):
        assert operation["summary"] and operation["description"], where
        assert set(operation["tags"]) <= tags and operation["tags"], where


def test_every_operation_behind_the_gate_names_both_credentials(document: Document) -> None:
    for where, operation in operations(document):
        expected = None if where.split()[1] in OPEN_PATHS else [{"HTTPBearer": []}, {"APIKeyHeader": []}]
        assert operation.get("security") == expected, where
    assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyHeader"}


def test_every_answer_has_a_schema_and_every_error_is_a_problem(document: Document) -> None:
    for where, operation in operations(document):
        for status, answer in operation["responses"].items():
            assert answer["description"], (where, status)
            [(media_type, content)] = answer["content"].items()
            assert content["schema"], (where, status)
            assert (media_type == MEDIA_TYPE) is (int(status) >= 400), (where, status)
        assert {"422", "500"} <= set(operation["responses"]), where


def test_every_json_body_has_an_example_that_fits(document: Document) -> None:
    for where, operation in operations(document):
        bodies = [operation.get("requestBody", {"content": {}})["content"]]
        bodies += [answer["content"] for answer in operation["responses"].values()]
        for media_type, content in ((m, c) for body in bodies for m, c in body.items()):
            schema = content["schema"]
            if {"type": "null"} in schema.get("anyOf", []):  # a body that may be left out
                schema = schema["anyOf"][0]
            if "$ref" not in schema:
                assert media_type in {
                    "text/plain",
                    "application/xml",
                    "text/xml",
                    "multipart/form-data",
                    "text/event-stream",
                }, where
                continue
            [example] = document["components"]["schemas"][schema["$ref"].rsplit("/")[-1]]["examples"]
            validator(document, schema).validate(example)


def test_the_bpmn_example_can_be_deployed(document: Document) -> None:
    body = document["paths"]["/process-definitions"]["post"]["requestBody"]["content"]
    assert {"application/xml", "text/xml", "multipart/form-data"} == set(body)
    assert parse(body["application/xml"]["example"].encode()).id == "refund"


def bodies(base: type[Request] = Request) -> list[type[Request]]:
    return [body for child in base.__subclasses__() for body in (child, *bodies(child))]


@pytest.mark.parametrize("body", bodies(), ids=lambda body: body.__name__)
def test_what_looks_like_the_value_of_a_field_is_none_unless_it_says_so(body: type[Request]) -> None:
    schema = body.model_json_schema()
    for name, described in schema["properties"].items():
        allowed = Draft202012Validator({**described, "$defs": schema.get("$defs", {})})
        for value in (True, 1, "3", "true"):
            if not allowed.is_valid(value):
                with pytest.raises(ValidationError) as refusal:
                    body.model_validate({name: value})
                assert name in {error["loc"][0] for error in refusal.value.errors()}, (name, value)


def test_a_parameter_is_left_out_or_has_a_value(document: Document) -> None:
    for where, operation in operations(document):
        assert '"null"' not in json.dumps(operation.get("parameters", [])), where


def test_parameters_are_described(document: Document) -> None:
    for where, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert parameter["schema"], where
            if parameter["in"] != "path" and parameter["name"] != "status":
                assert parameter.get("description"), (where, parameter["name"])


def test_the_document_names_nothing_but_the_project(document: Document) -> None:
    text = json.dumps(document)
    for word in ("/work", "/tmp", "localhost"):
        assert word not in text


@pytest.mark.parametrize("path", ["/complete", "/instances", "/tasks/{task_id}/submit"])
def test_the_idempotency_key_is_documented(document: Document, path: str) -> None:
    operation = document["paths"][path]["post"]
    assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
    succeeded = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    assert all("Idempotency-Replayed" in answer["headers"] for answer in succeeded)


def test_the_documents_name_every_address_with_its_scope(document: Document) -> None:
    rows = re.findall(r"^\| `([A-Z]+ /\S*)` \| (\S+) \| (.+) \|$", (ROOT / "docs/http-api.md").read_text(), re.M)
    assert {address: (scope.strip("`"), what) for address, scope, what in rows} == {
        where: (operation.get("x-scope") or "none", operation["summary"]) for where, operation in operations(document)
    }
    assert len(rows) == len(operations(document))


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readme_names_addresses_that_are_there(document: Document, name: str) -> None:
    named = set(re.findall(r"`([A-Z]+ /[^`\s]*)`", (ROOT / name).read_text()))
    assert len(named) > 25 and named <= {where for where, _ in operations(document)} | {"POST /complete"}
