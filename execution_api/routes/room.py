"""What the rooms of the API have in common."""

from fastapi import APIRouter

from execution_api.auth import CREDENTIALS
from execution_api.intake import CheckedRoute


def room(tag: str, prefix: str = "", *, is_open: bool = False) -> APIRouter:
    """A router whose operations are called by their functions' names in the OpenAPI document.

    `is_open`: its paths are among auth.OPEN_PATHS, so the document asks for no credentials.
    """
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=CheckedRoute,
        dependencies=[] if is_open else CREDENTIALS,
        generate_unique_id_function=lambda route: route.name,
    )
