"""Who may do what: roles, the scopes that each of them has, and the scope that each route needs.

This table is the only place where it is said; `room.CheckedRoute` holds every request against it. A route that is not
in it is for admins.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any


class Scope(StrEnum):
    """One kind of deed."""

    READ = "read"
    START = "start"
    WORK = "work"
    OPERATE = "operate"
    DESIGN = "design"
    ADMINISTER = "administer"


class Role(StrEnum):
    """What a person or a program is in its tenant; each one may do all that those before it may."""

    VIEWER = "viewer"
    WORKER = "worker"
    OPERATOR = "operator"
    PROCESS_OWNER = "process_owner"
    ADMIN = "admin"


_WORKER = frozenset({Scope.READ, Scope.START, Scope.WORK})
SCOPES_OF: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.WORKER: _WORKER,
    Role.OPERATOR: _WORKER | {Scope.OPERATE},
    Role.PROCESS_OWNER: _WORKER | {Scope.OPERATE, Scope.DESIGN},
    Role.ADMIN: frozenset(Scope),
}

SCOPE_OF_ROUTE: dict[str, Scope] = {
    "POST /complete": Scope.WORK,
    "POST /process-definitions": Scope.DESIGN,
    "GET /process-definitions": Scope.READ,
    "GET /process-definitions/{definition_id}": Scope.READ,
    "GET /process-definitions/{definition_id}/xml": Scope.READ,
    "GET /process-definitions/{definition_id}/versions": Scope.READ,
    "GET /process-definitions/{definition_id}/versions/{version}": Scope.READ,
    "GET /process-definitions/{definition_id}/versions/{version}/xml": Scope.READ,
    "POST /process-definitions/{definition_id}/rollback": Scope.DESIGN,
    "POST /decisions": Scope.DESIGN,
    "GET /decisions": Scope.READ,
    "GET /decisions/{decision_id}": Scope.READ,
    "GET /decisions/{decision_id}/xml": Scope.READ,
    "POST /decisions/{decision_id}/evaluate": Scope.START,
    "POST /instances": Scope.START,
    "GET /instances": Scope.READ,
    "GET /instances/{instance_id}": Scope.READ,
    "GET /instances/{instance_id}/events": Scope.READ,
    "GET /instances/{instance_id}/events/stream": Scope.READ,
    "GET /instances/{instance_id}/calls": Scope.READ,
    "GET /instances/{instance_id}/steps": Scope.READ,
    "POST /instances/{instance_id}/cancel": Scope.OPERATE,
    "POST /instances/{instance_id}/fork": Scope.OPERATE,
    "POST /instances/{instance_id}/move": Scope.OPERATE,
    "POST /repairs": Scope.OPERATE,
    "POST /instances/{instance_id}/incidents/retry": Scope.OPERATE,
    "POST /instances/cancel": Scope.OPERATE,
    "POST /cancellations": Scope.OPERATE,
    "GET /kill-switches": Scope.READ,
    "POST /kill-switches": Scope.ADMINISTER,
    "DELETE /kill-switches/{switch_id}": Scope.ADMINISTER,
    "GET /incidents": Scope.READ,
    "GET /incidents/{incident_id}": Scope.READ,
    "POST /incidents/{incident_id}/retry": Scope.OPERATE,
    "POST /incidents/{incident_id}/discard": Scope.OPERATE,
    "GET /inbox": Scope.READ,
    "GET /questions": Scope.READ,
    "GET /questions/{question_id}": Scope.READ,
    "POST /questions/{question_id}/answer": Scope.WORK,
    "GET /tasks": Scope.READ,
    "GET /tasks/{task_id}": Scope.READ,
    "PATCH /tasks/{task_id}": Scope.OPERATE,
    "POST /tasks/{task_id}/submit": Scope.WORK,
    "POST /tasks/{task_id}/claim": Scope.WORK,
    "POST /tasks/{task_id}/release": Scope.WORK,
    "POST /tasks/{task_id}/delegate": Scope.WORK,
    "POST /tasks/{task_id}/reassign": Scope.OPERATE,
    "POST /tasks/{task_id}/retry": Scope.OPERATE,
    "POST /tasks/{task_id}/extend": Scope.OPERATE,
    "GET /budget": Scope.READ,
    "POST /messages": Scope.START,
    "POST /signals": Scope.START,
    "GET /events": Scope.READ,
    "GET /events/stream": Scope.READ,
    "POST /documents": Scope.DESIGN,
    "GET /documents": Scope.READ,
    "GET /documents/search": Scope.READ,
    "GET /documents/{document_id}": Scope.READ,
    "DELETE /documents/{document_id}": Scope.DESIGN,
    "GET /agents": Scope.READ,
    "PUT /agents/{agent_id}": Scope.DESIGN,
    "GET /orchestrators": Scope.READ,
    "GET /pods": Scope.READ,
    "GET /notifications": Scope.READ,
    "GET /notifications/stream": Scope.READ,
    "PUT /notifications/{notify_id}/read-flag": Scope.READ,
    "POST /notifications/read": Scope.READ,
    "GET /notification-preferences": Scope.READ,
    "PUT /notification-preferences": Scope.READ,
    "GET /device-tokens": Scope.READ,
    "POST /device-tokens": Scope.READ,
    "DELETE /device-tokens/{device_id}": Scope.READ,
    "GET /mcp-servers": Scope.READ,
    "GET /mcp-servers/{name}": Scope.READ,
    "PUT /mcp-servers/{name}": Scope.ADMINISTER,
    "PATCH /mcp-servers/{name}": Scope.ADMINISTER,
    "DELETE /mcp-servers/{name}": Scope.ADMINISTER,
    "POST /mcp-servers/import": Scope.ADMINISTER,
    "GET /webhooks": Scope.ADMINISTER,
    "POST /webhooks": Scope.ADMINISTER,
    "GET /webhooks/{endpoint_id}": Scope.ADMINISTER,
    "PUT /webhooks/{endpoint_id}": Scope.ADMINISTER,
    "POST /webhooks/{endpoint_id}/rotate-secret": Scope.ADMINISTER,
    "DELETE /webhooks/{endpoint_id}": Scope.ADMINISTER,
    "GET /deliveries": Scope.OPERATE,
    "POST /deliveries/{outbox_id}/retry": Scope.OPERATE,
    "GET /api-keys": Scope.ADMINISTER,
    "POST /api-keys": Scope.ADMINISTER,
    "GET /api-keys/{key_id}": Scope.ADMINISTER,
    "POST /api-keys/{key_id}/rotate": Scope.ADMINISTER,
    "DELETE /api-keys/{key_id}": Scope.ADMINISTER,
}
"""By method and path template."""

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})
"""Paths that ask for no credentials."""


def scope_of(methods: Iterable[str], path: str) -> Scope | None:
    """The scope that a route needs; None for an open path."""
    if path in OPEN_PATHS:
        return None
    [scope] = {SCOPE_OF_ROUTE.get(f"{method} {path}", Scope.ADMINISTER) for method in methods}
    return scope


def scopes_of(roles: Iterable[str], narrowed_to: Iterable[str] | None = None) -> frozenset[Scope]:
    """All scopes of `roles`, and of them only those in `narrowed_to` where it is given. Unknown words give nothing."""
    known = [SCOPES_OF[Role(role)] for role in roles if role in set(Role)]
    scopes = frozenset[Scope]().union(*known)
    return scopes if narrowed_to is None else scopes & frozenset(narrowed_to)


def describe_access(document: dict[str, Any]) -> None:
    """Write into the OpenAPI `document` which scope and which roles each operation asks for."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = scope_of([method.upper()], path)
            if scope is not None:
                roles = ", ".join(role for role in Role if scope in SCOPES_OF[role])
                operation["x-scope"] = scope.value
                operation["description"] += f"\n\nNeeds the scope `{scope}` ({roles})."
