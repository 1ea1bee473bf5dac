"""`?variable=PATH=VALUE`: which process instances a search by their variables means."""

from typing import Annotated

from fastapi import Query

from execution_api.requests.intake import check_text, parse_json
from execution_api.requests.problems import ApiProblem
from kernel.models import Json

VariableFilter = Annotated[
    list[str] | None,
    Query(
        max_length=5,
        description="PATH=VALUE: the variable at PATH (names and positions with dots between them) equals VALUE, "
        "which is JSON, or else text. May be repeated: then all must hold. A page of such a search looks at 5000 "
        "instances at most, so that it may be short, or empty, and still have a next one.",
        examples=[["customer.city=Seoul", "amount=49.9"]],
    ),
]
_LONGEST_PATH = 500


def parse_variables(filters: list[str] | None) -> list[Json] | None:
    """What kernel.find_instances wants of `filters`. Raises ApiProblem 422."""
    return [_parse(text) for text in filters] if filters else None


def _parse(text: str) -> Json:
    path, equals, value = check_text(text, "variable").partition("=")
    if not equals or not path or len(path) > _LONGEST_PATH:
        detail = f"variable must be PATH=VALUE with a PATH of 1 to {_LONGEST_PATH} characters."
        raise ApiProblem(422, "request_invalid", detail, field="variable", value=text, remedy="Write amount=49.9.")
    return {"path": path.split("."), "value": _value(value)}


def _value(text: str) -> object:
    try:
        return parse_json(text.encode())
    except ApiProblem as problem:
        if problem.word == "json_invalid":
            return text
        raise
