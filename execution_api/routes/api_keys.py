"""/api-keys: the keys of the tenant's programs."""

from uuid import UUID

from fastapi import Response

from execution_api.access.auth import CallersKernel
from execution_api.access.scopes import SCOPES_OF
from execution_api.bodies.paging import Before, Limit, page
from execution_api.bodies.rows import DEFAULT_GRACE_SECONDS, KeyRequest, NewKey, Page, RotateRequest
from execution_api.requests.problems import ApiProblem
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.errors import NotFound
from kernel.functions import Kernel
from kernel.migrate import hash_api_key, new_api_key
from kernel.models import ApiKeySummary

router = room("API keys", "/api-keys")


@router.get("", summary="List API keys", responses=errors())
async def list_api_keys(kernel: CallersKernel, before: Before = None, limit: Limit = 50) -> Page[ApiKeySummary]:
    """The tenant's keys, newest first, revoked ones among them; never the keys themselves."""
    return page("/api-keys", await kernel.find_api_keys(before, limit), limit, "key_id")


@router.post("", status_code=201, summary="Make an API key", responses=errors(413))
async def make_api_key(body: KeyRequest, response: Response, kernel: CallersKernel) -> NewKey:
    """Make a key. The answer is the only place where it can be read."""
    _check_scopes(body)
    key = new_api_key()
    scopes = None if body.scopes is None else [scope.value for scope in body.scopes]
    key_id = await kernel.make_api_key(body.name, hash_api_key(key), body.role, scopes, body.expires_at)
    response.headers["Cache-Control"] = "no-store"
    return await _with_key(kernel, key_id, key)


@router.get("/{key_id}", summary="Look into an API key", responses=errors(404))
async def get_api_key(key_id: UUID, kernel: CallersKernel) -> ApiKeySummary:
    """One key: what it may do, and when it was last used (to the minute)."""
    return await _read(kernel, key_id)


@router.post("/{key_id}/rotate", summary="Rotate an API key", responses=errors(404, 409, 413))
async def rotate_api_key(
    key_id: UUID, response: Response, kernel: CallersKernel, body: RotateRequest | None = None
) -> NewKey:
    """Replace a key by a new one with the same rights. The old one stays valid for the time of grace."""
    key = new_api_key()
    grace = DEFAULT_GRACE_SECONDS if body is None else body.grace_seconds
    await kernel.rotate_api_key(key_id, hash_api_key(key), grace)
    response.headers["Cache-Control"] = "no-store"
    return await _with_key(kernel, key_id, key)


@router.delete("/{key_id}", summary="Revoke an API key", responses=errors(404, 409))
async def revoke_api_key(key_id: UUID, kernel: CallersKernel) -> ApiKeySummary:
    """End a key at once, and the one before it where that was still valid."""
    await kernel.revoke_api_key(key_id)
    return await _read(kernel, key_id)


def _check_scopes(asked: KeyRequest) -> None:
    beyond = sorted(set(asked.scopes or ()) - SCOPES_OF[asked.role])
    if beyond:
        detail = f"The role {asked.role} does not have the scope {', '.join(beyond)}."
        remedy = f"Choose of {', '.join(sorted(SCOPES_OF[asked.role]))}, or a higher role."
        raise ApiProblem(422, "scope_beyond_role", detail, field="scopes", value=beyond, remedy=remedy)


async def _with_key(kernel: Kernel, key_id: UUID, key: str) -> NewKey:
    return NewKey(**(await _read(kernel, key_id)).model_dump(), key=key)


async def _read(kernel: Kernel, key_id: UUID) -> ApiKeySummary:
    found = await kernel.get_api_key(key_id)
    if found is None:
        raise NotFound(f"There is no API key {key_id}.", "api_key_unknown", "GET /api-keys lists them.")
    return found
