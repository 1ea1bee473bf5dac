"""The OpenAPI document: FastAPI's, with the errors under their own media type and an example of every body."""

from typing import Any

from fastapi import FastAPI

from execution_api.access.scopes import describe_access
from execution_api.examples.bodies import EXAMPLES
from execution_api.requests.problems import MEDIA_TYPE, Problem

DESCRIPTION = """Runs business processes (BPMN) with people and AI agents.

Deploy a process definition, start instances of it, and submit the tasks that wait for people; pods do the tasks of
agents. Every operation works within the tenant of the credentials.

Errors are `application/problem+json` (RFC 9457). A request with an `Idempotency-Key` can be sent again without
harm."""

TAGS = [
    {"name": "Complete", "description": "Start and submit in one address, as clients of Process GPT do."},
    {"name": "Process definitions", "description": "BPMN files and their versions."},
    {"name": "Decisions", "description": "DMN files, their versions and their answers."},
    {"name": "Instances", "description": "Running and ended process instances."},
    {"name": "Incidents", "description": "What failed, and taking it up again."},
    {"name": "Repair", "description": "What operators do with instances that went astray."},
    {"name": "Control", "description": "Cancelling work, and holding it back."},
    {"name": "Limits", "description": "What tasks may use, and the budget of the tenant."},
    {"name": "Tasks", "description": "The inbox of people."},
    {"name": "Questions", "description": "What running tasks ask people."},
    {"name": "Messages", "description": "Events from outside that processes wait for."},
    {"name": "Events", "description": "What happens."},
    {"name": "Documents", "description": "What agents may look up."},
    {"name": "Agents", "description": "Who does the work."},
    {"name": "MCP servers", "description": "Where agents find tools."},
    {"name": "Notifications", "description": "What people are told, and where else it goes."},
    {"name": "API keys", "description": "What programs may do."},
    {"name": "Operations", "description": "Health and metrics; open to everybody who can reach them."},
]

_FASTAPIS_OWN_ERRORS = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Make `app` serve the document."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemas = document["components"]["schemas"]
        for name in _FASTAPIS_OWN_ERRORS:
            schemas.pop(name, None)
        for name, example in EXAMPLES.items():
            schemas[name]["examples"] = [example]
        for operations in document["paths"].values():
            for operation in operations.values():
                _retype_problems(operation["responses"])
                for parameter in operation.get("parameters", []):
                    parameter["schema"] = _never_null(parameter["schema"])
        describe_access(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    # A parameter is left out or has a value. A text may be "null", and is then just that.
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return {**schema, "anyOf": kinds} if kinds else schema
    return {**kinds[0], **{name: value for name, value in schema.items() if name != "anyOf"}}


def _retype_problems(responses: dict[str, Any]) -> None:
    problem = {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}
    for status, response in responses.items():
        if int(status) >= 400:
            response["content"] = {MEDIA_TYPE: problem}
