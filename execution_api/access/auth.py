"""Whose request it is: an API key of the tenant, or a user token of Supabase Auth.

The tenant comes from what the key or the token proves, never from anything else in the request. API keys are looked
up at every request, so that a revoked one is refused at once. `Gate` lets nobody else in; what each of them may do is
in `access`.
"""

import re
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from execution_api.access.scopes import OPEN_PATHS, Role, Scope, scopes_of
from execution_api.access.token_check import refusal
from execution_api.requests.problems import ApiProblem
from execution_api.services import Services, services_of
from kernel.functions import Kernel
from kernel.migrate import hash_api_key
from kernel.models import Json

_KEY_PREFIX = "fleet_"
_PROVEN = ("sub", "email", "role")
_TENANT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_bearer = HTTPBearer(auto_error=False, description="An API key (`fleet_…`) or a Supabase user token.")
_api_key = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key (`fleet_…`).")


@dataclass(frozen=True)
class Caller:
    """Who asks. `actor` is written to events; `person` is the user of a user token, None behind an API key.

    `groups`: those of the user; `credential`: whose rate is limited.
    """

    tenant_id: str
    actor: str
    credential: str
    scopes: frozenset[Scope]
    person: str | None = None
    groups: tuple[str, ...] = ()
    proven: Json = field(default_factory=dict)
    """The claims of a user token that the database may see too, as `auth.uid()` and `auth.role()` of Supabase."""

    @property
    def supervises(self) -> bool:
        """Whether they may act on tasks of others."""
        return Scope.OPERATE in self.scopes


class Gate:
    """ASGI: finds the caller of every request but those to OPEN_PATHS, before the body is read."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            services = services_of(scope)
            caller = await authenticate(Headers(scope=scope), services)
            scope.setdefault("state", {})["caller"] = caller
            services.rates.take(caller.credential)
        await self._app(scope, receive, send)


async def authenticate(headers: Headers, services: Services) -> Caller:
    """Find the caller by `Authorization: Bearer …`, or where that is missing by `X-API-Key`.

    Raises ApiProblem 401 without valid credentials, 403 for a user token that names no tenant, 503 where the keys that
    tokens are signed with cannot be had.
    """
    kernel = services.kernel
    authorization = headers.get("authorization")
    if authorization is None:
        return await _key_owner(headers.get("x-api-key", ""), kernel)
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer":
        raise _unauthenticated()
    if token.startswith(_KEY_PREFIX):
        return await _key_owner(token, kernel)
    if not token:
        raise _unauthenticated()
    return _user(await services.tokens.verify(token), services.settings.fleet_default_role)


def caller_of(request: Request) -> Caller:
    """The caller that the gate found."""
    return request.state.caller


# FastAPI calls a dependency that is not async in a thread, which costs more than all that these do.
async def _get_caller(request: Request) -> Caller:
    return caller_of(request)


async def _get_kernel(request: Request) -> Kernel:
    """The kernel within the caller's tenant."""
    caller = caller_of(request)
    claims = {
        **caller.proven,
        "tenant_id": caller.tenant_id,
        "actor": caller.actor,
        "person": caller.person,
        "groups": list(caller.groups),
        "scopes": sorted(caller.scopes),
    }
    return services_of(request.scope).kernel.as_caller(claims)


KnownCaller = Annotated[Caller, Depends(_get_caller)]
CallersKernel = Annotated[Kernel, Depends(_get_kernel)]
CREDENTIALS = [Depends(_bearer), Depends(_api_key)]
"""Dependencies that tell the OpenAPI document which credentials the gate takes."""


async def _key_owner(key: str, kernel: Kernel) -> Caller:
    if not key.startswith(_KEY_PREFIX):
        raise _unauthenticated()
    owner = await kernel.authenticate_api_key(hash_api_key(key))
    if owner is None:
        raise _unauthenticated()
    if not owner.use_is_noted:
        await kernel.note_api_key_use(owner)
    scopes = scopes_of([owner.role], owner.scopes)
    return Caller(owner.tenant_id, f"api_key:{owner.name}", f"key {owner.key_id}", scopes)


def _user(claims: Json, default_role: Role) -> Caller:
    given = claims.get("app_metadata")  # user_metadata is the user's own to write, and so proves nothing
    metadata: Json = given if isinstance(given, dict) else {}
    tenant_id = metadata.get("tenant_id")
    if not isinstance(tenant_id, str) or not _TENANT_ID.fullmatch(tenant_id):
        detail, remedy = "The token names no tenant.", "Use a token whose app_metadata holds tenant_id."
        raise ApiProblem(403, "tenant_missing", detail, remedy=remedy)
    person = claims.get("email") or claims.get("sub")
    if not isinstance(person, str):
        raise refusal("token_claims", "The token names no user: it has neither email nor sub.")
    scopes = scopes_of(_words(metadata, "role", "roles") or [default_role])
    groups = tuple(_words(metadata, "group", "groups"))
    proven = {name: claims[name] for name in _PROVEN if isinstance(claims.get(name), str)}
    return Caller(tenant_id, f"user:{person}", f"user {tenant_id} {person}", scopes, person, groups, proven)


def _words(metadata: Json, *names: str) -> list[str]:
    """The texts under `names`: one, or a list of them."""
    found: list[object] = []
    for name in names:
        value = metadata.get(name)
        found += value if isinstance(value, list) else [value]
    return [word for word in found if isinstance(word, str) and word]


def _unauthenticated() -> ApiProblem:
    # One answer whether a key is unknown, revoked or missing.
    return ApiProblem(
        401,
        "unauthenticated",
        "Valid credentials are required.",
        remedy="Send an API key or a user token as Authorization: Bearer …, or an API key as X-API-Key.",
        headers={"WWW-Authenticate": 'Bearer realm="process-fleet"'},
    )
