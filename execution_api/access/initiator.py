"""On whose behalf a process instance is started."""

from execution_api.access.auth import Caller
from execution_api.requests.problems import ApiProblem
from kernel.models import Json

_VARIABLE = "initiator"


def choose_initiator(caller: Caller, named: str | None, field: str) -> str:
    """The initiator: the one the request names in `field`, or the caller.

    An API key speaks for a program that knows its people, so it may name anybody; a user speaks for themselves.
    Raises ApiProblem 403 where a user token names somebody else.
    """
    if caller.person is None:
        return named or caller.actor
    if named is not None and named.casefold() != caller.person.casefold():
        raise ApiProblem(
            403,
            "initiator_foreign",
            "A user token starts process instances for its own user only.",
            field=field,
            value=named,
            remedy="Leave it out, or use an API key.",
        )
    return caller.person


def with_initiator(variables: Json, initiator: str, field: str) -> Json:
    """`variables` and `initiator` among them.

    Raises ApiProblem 422 where `variables` has another value of that name: who started an instance is not an input.
    """
    if variables.get(_VARIABLE, initiator) != initiator:
        raise ApiProblem(
            422,
            "variable_reserved",
            f'The variable "{_VARIABLE}" is the initiator of the process instance and cannot be another value.',
            field=f"{field}.{_VARIABLE}",
            value=variables[_VARIABLE],
            remedy="Choose another name for it.",
        )
    return {**variables, _VARIABLE: initiator}
