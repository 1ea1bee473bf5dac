"""Each SQLSTATE becomes one error of the house; errors are raised by a real server where one can raise them."""

import psycopg
import pytest

from kernel.errors import (
    Conflict,
    DatabaseUnavailable,
    FleetError,
    Forbidden,
    InstanceChanged,
    InvalidInput,
    LeaseLost,
    NotFound,
    Refused,
    SettingsInvalid,
    TooMany,
    from_database,
)


def raised(watcher: psycopg.Connection, sqlstate: str, detail: str = "", hint: str = "") -> Exception:
    """What an error with `sqlstate` becomes."""
    using = f"errcode = '{sqlstate}', message = 'm', detail = '{detail}', hint = '{hint}'"
    with pytest.raises(psycopg.Error) as error:
        watcher.execute(f"do $$ begin raise exception using {using}; end $$")  # type: ignore[arg-type]
    return from_database(error.value)


@pytest.mark.parametrize(
    ("sqlstate", "detail", "kind", "status"),
    [
        ("PT403", "tenant_missing", Forbidden, 403),
        ("42501", "", Forbidden, 403),
        ("PT404", "task_unknown", NotFound, 404),
        ("PT409", "task_closed", Conflict, 409),
        ("PT409", "lease_lost", LeaseLost, 409),
        ("PT409", "instance_changed", InstanceChanged, 409),
        ("PT422", "outcome", InvalidInput, 422),
        ("PT422", "lease_lost", InvalidInput, 422),
        ("PT429", "budget", TooMany, 429),
    ],
)
def test_a_refusal_keeps_its_kind_message_reason_and_remedy(
    watcher: psycopg.Connection, sqlstate: str, detail: str, kind: type[Refused], status: int
) -> None:
    error = raised(watcher, sqlstate, detail, "Do this.")
    assert type(error) is kind
    assert isinstance(error, Refused)
    assert (str(error), error.reason, error.remedy, error.http_status) == ("m", detail, "Do this.", status)


def test_a_refusal_for_now_says_when_to_come_back(watcher: psycopg.Connection) -> None:
    error = raised(watcher, "PT429", "queue_full;retry_after=12", "Do this.")
    assert isinstance(error, TooMany)
    assert (error.reason, error.retry_after, error.remedy) == ("queue_full", 12, "Do this.")
    unknown = raised(watcher, "PT429", "queue_full", "")
    assert isinstance(unknown, TooMany) and unknown.retry_after is None


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("select 'x'::int", "22P02"),
        ("select '{'::jsonb", "22P02"),
        ("select 100000::smallint", "22003"),
        ("insert into strict values (null)", "23502"),
        ("insert into strict values (-1)", "23514"),
        ("insert into strict values (1), (1)", "23505"),
        ("insert into strict values (2, 7)", "23503"),
    ],
)
def test_a_value_that_the_database_cannot_take_is_invalid_input(
    watcher: psycopg.Connection, statement: str, sqlstate: str
) -> None:
    watcher.execute("create temp table strict (id int primary key check (id > 0), other int references strict)")
    with pytest.raises(psycopg.Error) as refused:
        watcher.execute(statement)  # type: ignore[arg-type]
    error = from_database(refused.value)
    assert isinstance(error, InvalidInput)
    assert (error.reason, error.http_status) == (sqlstate, 422)


@pytest.mark.parametrize("sqlstate", ["57P01", "57P03", "57014", "53300", "08006"])
def test_a_server_that_stops_or_is_full_is_unavailable(watcher: psycopg.Connection, sqlstate: str) -> None:
    assert isinstance(raised(watcher, sqlstate), DatabaseUnavailable)


def test_no_connection_is_unavailable() -> None:
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect("postgresql://nobody@127.0.0.1:1/none", connect_timeout=2)
    assert isinstance(from_database(refused.value), DatabaseUnavailable)


def test_a_use_of_a_closed_connection_is_unavailable(watcher: psycopg.Connection) -> None:
    watcher.close()
    with pytest.raises(psycopg.OperationalError) as refused:
        watcher.execute("select")
    assert isinstance(from_database(refused.value), DatabaseUnavailable)


@pytest.mark.parametrize("statement", ["select no_such_function()", "selec", "select from no_such_table"])
def test_a_defect_of_ours_stays_what_it_is(watcher: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.ProgrammingError) as refused:
        watcher.execute(statement)  # type: ignore[arg-type]
    assert from_database(refused.value) is refused.value


def test_every_error_of_the_house_has_one_base() -> None:
    kinds = (SettingsInvalid, DatabaseUnavailable, Refused, Forbidden, NotFound, LeaseLost, InstanceChanged, TooMany)
    assert all(issubclass(kind, FleetError) for kind in kinds)
