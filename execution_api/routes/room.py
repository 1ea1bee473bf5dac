"""What the rooms of the API have in common."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from execution_api.access import SCOPES_OF, Role, Scope, scope_of
from execution_api.auth import CREDENTIALS, get_caller
from execution_api.intake import CheckedRequest
from execution_api.problems import ApiProblem


def room(tag: str, prefix: str = "", *, is_open: bool = False) -> APIRouter:
    """A router whose operations are called by their functions' names in the OpenAPI document.

    `is_open`: its paths are among access.OPEN_PATHS, so the document asks for no credentials.
    """
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=CheckedRoute,
        dependencies=[] if is_open else CREDENTIALS,
        generate_unique_id_function=lambda route: route.name,
    )


class CheckedRoute(APIRoute):
    """A route that asks for its scope before it reads anything, and whose JSON body is read by intake.parse_json."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        handle = super().get_route_handler()
        scope = scope_of(self.methods or (), self.path_format)

        async def checked(request: Request) -> Response:
            if scope is not None and scope not in get_caller(request).scopes:
                raise _scope_missing(scope)
            return await handle(CheckedRequest(request.scope, request.receive))

        return checked


def _scope_missing(scope: Scope) -> ApiProblem:
    roles = ", ".join(role for role in Role if scope in SCOPES_OF[role])
    detail = f"This needs the scope `{scope}`, which the credentials do not have."
    return ApiProblem(403, "scope_missing", detail, remedy=f"Use credentials of a role that has it: {roles}.")
