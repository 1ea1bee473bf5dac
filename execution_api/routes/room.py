"""What the rooms of the API have in common."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, get_args, get_origin

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope as HttpScope

from execution_api.access.auth import CREDENTIALS, caller_of
from execution_api.access.scopes import SCOPES_OF, Role, Scope, scope_of
from execution_api.requests.intake import CheckedRequest
from execution_api.requests.problems import ApiProblem

_FIXED: set[str] = set()  # the addresses without parameters


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
    """A route that asks for its scope before it reads anything, and whose JSON body is read by intake.parse_json.

    An address without parameters is never taken for one with: DELETE /documents/search is no document.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.param_convertors:
            _FIXED.add(self.path)

    def matches(self, scope: HttpScope) -> tuple[Match, HttpScope]:
        """See Starlette."""
        if self.param_convertors and scope.get("path") in _FIXED:
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        handle = super().get_route_handler()
        scope = scope_of(self.methods or (), self.path_format)
        single = set(_single_parameters(self.dependant))

        async def checked(request: Request) -> Response:
            if scope is not None and scope not in caller_of(request).scopes:
                raise _scope_missing(scope)
            _refuse_repeated(request, single)
            return await handle(CheckedRequest(request.scope, request.receive))

        return checked


def _single_parameters(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        kinds = [field.field_info.annotation, *get_args(field.field_info.annotation)]
        if all(get_origin(kind) is not list for kind in kinds):
            yield field.alias
    for inner in dependant.dependencies:
        yield from _single_parameters(inner)


def _refuse_repeated(request: Request, single: set[str]) -> None:
    given = Counter(name for name, _ in request.query_params.multi_items())
    for name in single:
        if given[name] > 1:
            detail = f"{name} is given {given[name]} times."
            raise ApiProblem(422, "request_invalid", detail, field=name, remedy="Give it once.")


def _scope_missing(scope: Scope) -> ApiProblem:
    roles = ", ".join(role for role in Role if scope in SCOPES_OF[role])
    detail = f"This needs the scope `{scope}`, which the credentials do not have."
    return ApiProblem(403, "scope_missing", detail, remedy=f"Use credentials of a role that has it: {roles}.")
