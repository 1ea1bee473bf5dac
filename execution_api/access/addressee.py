"""Whose notifications a request is about."""

from execution_api.access.auth import Caller
from execution_api.requests.problems import ApiProblem

_GROUP = "group:"


def choose_addressee(caller: Caller, named: str | None, field: str = "person") -> str | None:
    """The person or `group:NAME` that the request names in `field`, or the user of the token; None: anybody.

    A program behind an API key knows its people and may name anybody. A user may name themselves and their groups.
    Raises ApiProblem 403 where a user names somebody else.
    """
    if caller.person is None:
        return named
    if named is None or named.casefold() == caller.person.casefold():
        return caller.person
    if named.startswith(_GROUP) and named.removeprefix(_GROUP) in caller.groups:
        return named
    raise ApiProblem(
        403,
        "person_foreign",
        "A user token reaches the notifications of its own user and of their groups only.",
        field=field,
        value=named,
        remedy="Leave it out, or use an API key.",
    )


def require_addressee(caller: Caller, named: str | None, field: str = "person") -> str:
    """As `choose_addressee`, but somebody. Raises ApiProblem 422 where an API key names nobody."""
    person = choose_addressee(caller, named, field)
    if person is None:
        what = f"{field} is required with an API key, which belongs to no person."
        raise ApiProblem(422, "person_missing", what, field=field, remedy="Name an e-mail address or group:NAME.")
    return person
