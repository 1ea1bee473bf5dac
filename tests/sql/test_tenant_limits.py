"""Limits and budgets as the owner sets them, and what counts towards them."""

import sys
from subprocess import run
from typing import Any

import psycopg
import pytest
from fixture_types import Enqueue, Rows, SetClock, StartPod
from psycopg.types.json import Jsonb

from kernel.errors import InvalidInput, NotFound
from kernel.limit_models import PeriodBudget
from kernel.migrate import set_tenant_limits
from kernel.models import Limits

PAID: dict[str, Any] = {
    "kind": "chat", "name": "m", "request": {}, "response": {}, "outcome": "ok", "latency_ms": 1,
    "input_tokens": 10, "output_tokens": 5, "cost_usd": "0.02", "call_key": "k", "occurrence": 1, "replayable": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "budget", "named"),
    [
        ({"token": 1}, {}, 'no limit "token"'),
        ({"tokens": 0}, {}, "tokens is 0"),
        ({"tokens": 1.5}, {}, "tokens is 1.5"),
        ({"tokens": "many"}, {}, 'tokens is "many"'),
        ({}, {"week": {"tokens": 1}}, "week"),
        ({}, {"day": {"tool_calls": 1}}, "tool_calls"),
        ({}, {"month": {"cost_usd": -1}}, "budget of the month: cost_usd is -1"),
    ],
)
def test_what_is_no_limit_is_refused_by_name(
    owner: psycopg.Connection, limits: dict[str, Any], budget: dict[str, Any], named: str
) -> None:
    with pytest.raises(psycopg.Error, match=named):
        owner.execute("select * from public.set_tenant_limits('acme', %s, %s)", [Jsonb(limits), Jsonb(budget)])


def test_a_tenant_that_is_not_there_has_no_limits(database_url: str) -> None:
    with pytest.raises(NotFound, match="nobody"):
        set_tenant_limits(database_url, "nobody", Limits(), {})
    with pytest.raises(InvalidInput):
        set_tenant_limits(database_url, "acme", Limits(), {"day": PeriodBudget(tokens=-1)})


def test_the_command_sets_what_is_given_and_takes_back_the_rest(database_url: str, rows: Rows) -> None:
    def command(*options: str) -> str:
        done = run(
            [sys.executable, "-m", "fleet", "tenant-limits", "acme", *options],
            env={"DATABASE_URL": database_url}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout if done.returncode == 0 else done.stderr

    set_now = "select limits, budget from public.tenants where tenant_id = 'acme'"
    assert "each task: tokens 5" in command("--tokens", "5", "--day-cost-usd", "2.50", "--month-tokens", "900")
    assert rows(set_now) == [{"limits": {"tokens": 5}, "budget": {"day": {"cost_usd": 2.5}, "month": {"tokens": 900}}}]
    assert "--cost-usd: 'much' is no amount" in command("--cost-usd", "much")
    command()
    assert rows(set_now) == [{"limits": {}, "budget": {}}]


async def test_a_call_that_is_written_twice_is_spent_once_and_days_and_months_are_told_apart(
    start_pod: StartPod, enqueue: Enqueue, owner: psycopg.Connection, set_clock: SetClock, rows: Rows
) -> None:
    budget = Jsonb({"day": {"tokens": 1000}, "month": {"tokens": 1000}})
    owner.execute("select * from public.set_tenant_limits('acme', '{}', %s)", [budget])
    pod = await start_pod()
    await enqueue()
    now = set_clock(0)
    to_first = (40 - now.day) * 86_400
    first = set_clock(to_first).replace(day=1)
    set_clock(to_first - (set_clock(to_first) - first).total_seconds())
    task = await pod.claim()
    for _ in range(2):
        written = await pod.kernel.record_call(task, PAID)
    assert written.budget and written.budget.spent["day"].tokens == 15
    set_clock(to_first + 2 * 86_400)
    written = await pod.kernel.record_call(task, {**PAID, "occurrence": 2})
    assert written.budget
    spent = written.budget.spent
    assert (spent["day"].tokens, spent["month"].tokens) == (15, 30)
    assert str(spent["month"].cost_usd) in ("0.04", "0.04000000")
    assert rows("select sum(tokens)::int as tokens from public.tenant_spend") == [{"tokens": 30}]


async def test_time_in_a_pod_is_counted_over_all_runs(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock
) -> None:
    pod = await start_pod()
    await enqueue(max_attempts=9)
    at = 0.0
    for outcome in ("released", "failed"):
        task = await pod.claim()
        set_clock(at := at + 30)
        await pod.end(task, outcome, reason="busy", retryable=True)
        set_clock(at := at + 600)
    task = await pod.claim()
    set_clock(at := at + 3600)  # the lease ran out after a minute of it
    task = await pod.claim()
    used = (await pod.kernel.task_limits(task)).used
    assert used.run_seconds == pytest.approx(30 + 30 + 60, abs=3)
