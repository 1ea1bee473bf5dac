"""Every error of the house, and how an SQLSTATE becomes one.

    FleetError
    ├── SettingsInvalid        a setting is missing or wrong; names it and the remedy
    ├── DatabaseUnavailable    no connection, or it broke: try again later
    └── Refused                the database refused a transition (init.sql raises PT4xx)
        ├── Forbidden          PT403
        ├── NotFound           PT404
        ├── Conflict           PT409
        │   ├── LeaseLost          the fencing token is stale: stop working on the task
        │   └── InstanceChanged    compute the step anew from the instance as it is now
        ├── InvalidInput       PT422, or a value that the database cannot take (class 22 and 23)
        └── TooMany            PT429

PostgREST turns SQLSTATE PTxyz into HTTP status xyz; so does the execution API with `http_status`.
"""

import psycopg


class FleetError(Exception):
    """Base of every error that the house raises on purpose."""


class SettingsInvalid(FleetError):
    """A setting is missing or wrong. The message names the setting, the value and the remedy."""


class DatabaseUnavailable(FleetError):
    """The database could not be reached, or the connection broke in the middle of a call."""


class Refused(FleetError):
    """A transition that the database refused.

    Attributes: `http_status`; `reason`, the machine's word (DETAIL of the SQL error); `remedy` (HINT), may be empty.
    """

    http_status = 400

    def __init__(self, message: str, reason: str = "", remedy: str = ""):
        super().__init__(message)
        self.reason = reason
        self.remedy = remedy


class Forbidden(Refused):
    """The caller's credentials do not reach that far."""

    http_status = 403


class NotFound(Refused):
    """Nothing of that name exists in the caller's tenant."""

    http_status = 404


class Conflict(Refused):
    """The thing is not in a state that allows this."""

    http_status = 409


class LeaseLost(Conflict):
    """The fencing token is no longer the one of the task's running claim."""


class InstanceChanged(Conflict):
    """The process instance moved on after the step was computed."""


class InvalidInput(Refused):
    """A value that cannot be accepted."""

    http_status = 422


class TooMany(Refused):
    """A limit is reached: try again later, after `retry_after` seconds where that is known."""

    http_status = 429
    retry_after: int | None = None


_BY_SQLSTATE: dict[str, type[Refused]] = {
    "PT403": Forbidden,
    "PT404": NotFound,
    "PT409": Conflict,
    "PT422": InvalidInput,
    "PT429": TooMany,
    "42501": Forbidden,
}
_BY_REASON: dict[str, type[Refused]] = {"lease_lost": LeaseLost, "instance_changed": InstanceChanged}
_DATA_EXCEPTION, _CONSTRAINT_VIOLATION = "22", "23"
_PASSING = ("08", "25", "40", "53", "57")  # connection, read-only or broken transaction, deadlock, resources, shutdown
_LOCK_NOT_AVAILABLE = "55P03"
_RETRY_AFTER = ";retry_after="  # between the word and the seconds of a DETAIL; see kernel.refuse in init.sql


def from_database(error: psycopg.Error) -> Exception:
    """The error of the house that `error` stands for; `error` itself where it is a defect of ours.

    A broken connection, and a server that is starting or stopping, give DatabaseUnavailable.
    """
    sqlstate = error.sqlstate
    if sqlstate is None:
        return DatabaseUnavailable(f"the database connection failed: {error}") if _is_connection(error) else error
    told = error.diag
    message = told.message_primary or str(error)
    return from_sqlstate(sqlstate, message, told.message_detail or "", told.message_hint or "") or error


def from_sqlstate(sqlstate: str, message: str, detail: str, hint: str) -> FleetError | None:
    """The error of the house that an SQL error with `sqlstate` stands for; None where it is a defect of ours."""
    reason = detail
    kind = _BY_REASON.get(reason) if sqlstate == "PT409" else None
    kind = kind or _BY_SQLSTATE.get(sqlstate)
    if kind is None and sqlstate[:2] in (_DATA_EXCEPTION, _CONSTRAINT_VIOLATION):
        kind, reason = InvalidInput, sqlstate
    if kind is TooMany:
        return _too_many(message, reason, hint)
    if kind is not None:
        return kind(message, reason, hint)
    if sqlstate[:2] in _PASSING or sqlstate == _LOCK_NOT_AVAILABLE:
        return DatabaseUnavailable(f"the database is not available: {message}")
    return None


def _too_many(message: str, detail: str, hint: str) -> TooMany:
    reason, _, seconds = detail.partition(_RETRY_AFTER)
    refusal = TooMany(message, reason, hint)
    refusal.retry_after = int(seconds) if seconds else None
    return refusal


def _is_connection(error: psycopg.Error) -> bool:
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
