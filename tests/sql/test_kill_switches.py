"""While a kill switch is set nothing of its scope is claimed, whichever way a task becomes claimable."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from control_steps import fleet_switch, release, switch
from fixture_types import Enqueue, Rows, SetClock, StartInstance, StartPod, ended
from instance_steps import agent_task, step

from kernel.errors import Conflict, Forbidden, InvalidInput, LeaseLost, NotFound
from kernel.functions import Kernel
from kernel.models import Agent

SET = "select count(*)::int as n from todolist where stopped and status = 'PENDING'"


@pytest.fixture
async def clerk(kernel_api: Kernel) -> str:
    agent = Agent(agent_id="clerk", name="c", role="r", goal="g", persona="p", model=None, tools=[])
    return (await kernel_api.save_agent(agent)).agent_id


async def test_queued_and_new_tasks_wait_until_the_switch_is_released(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    queued = await enqueue(3)
    made = await switch(kernel_api, "tenant")
    later = await enqueue(2)
    assert await pod.next() is None
    await release(kernel_api, made)
    assert [(await pod.claim()).task_id for _ in range(5)] == [*queued, *later]
    assert await pod.next() is None


@pytest.mark.parametrize("scope", ["tenant", "orchestrator", "agent"])
async def test_a_switch_stops_its_scope_and_nothing_beside_it(
    scope: str, start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, clerk: str
) -> None:
    pod = await start_pod(("echo", "other"))
    key = {"tenant": "", "orchestrator": "echo", "agent": clerk}[scope]
    await switch(kernel_api, scope, key)
    await enqueue(1, agent_id=clerk)
    beside = await enqueue(1, tenant="globex")
    if scope != "tenant":
        beside += await enqueue(1, agent_orch="other")
    claimed = [task.task_id for task in [await pod.next() for _ in range(3)] if task]
    assert sorted(claimed) == sorted(beside)


async def test_a_switch_of_the_fleet_stops_every_tenant_and_only_its_owner_releases_it(
    start_pod: StartPod, enqueue: Enqueue, owner: psycopg.Connection, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    await enqueue(2)
    made = fleet_switch(owner)
    await enqueue(1, tenant="globex")
    assert await pod.next() is None
    [seen] = await kernel_api.find_kill_switches()
    assert (seen.switch_id, seen.tenant_id, seen.scope) == (made, None, "fleet")
    with pytest.raises(Forbidden):
        await kernel_api.release_kill_switch(made)
    owner.execute("select * from kernel.end_switch(%s, 'owner')", [made])
    owner.execute("select kernel.resume(null, 500, kernel.now())")
    assert {(await pod.claim()).tenant_id for _ in range(3)} == {"acme", "globex"}
    told = rows("select tenant_id, event_type::text from events where event_type::text like 'KILL%%' order by 2, 1")
    assert [tuple(row.values()) for row in told] == [
        ("acme", "KILL_SWITCH_RELEASED"), ("globex", "KILL_SWITCH_RELEASED"),
        ("acme", "KILL_SWITCH_SET"), ("globex", "KILL_SWITCH_SET"),
    ]  # fmt: skip


async def test_what_runs_may_finish_and_its_next_tasks_wait(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    await start_instance(agent_task("first"))
    task = await pod.claim()
    made = await switch(kernel_api, "tenant")
    assert await pod.next(ended(task, step=step(1, agent_task("second")))) is None
    await release(kernel_api, made)
    assert (await pod.claim()).activity_id == "second"


async def test_what_runs_is_taken_back_where_the_switch_says_so_and_its_attempt_does_not_count(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    [task_id] = await enqueue()
    task = await pod.claim()
    made = await switch(kernel_api, "orchestrator", "echo", stops_running=True)
    assert (await pod.kernel.renew_lease(task, 60)).state == "stopped"
    with pytest.raises(LeaseLost):
        await pod.end(task)
    [row] = rows("select status::text, attempt, stopped from todolist")
    assert row == {"status": "PENDING", "attempt": 0, "stopped": True}
    [event] = rows("select actor, message, data from events where event_type = 'TASK_RELEASED'")
    assert (event["actor"], event["message"]) == ("user:ann@acme.test", "it runs wild")
    assert event["data"] == {"kill_switch": str(made.switch_id)}
    await release(kernel_api, made)
    again = await pod.claim()
    assert (again.task_id, again.attempt) == (task_id, 1)


async def test_what_is_claimed_before_it_could_be_parked_is_taken_back(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    await enqueue(2)
    before = await pod.claim()
    made = await kernel_api.set_kill_switch("tenant", "", "it runs wild", False)
    late = await pod.claim()
    assert await kernel_api.enforce_kill_switch(made.switch_id) == (0, 1)
    assert (await pod.kernel.renew_lease(late, 60)).state == "stopped"
    assert (await pod.kernel.renew_lease(before, 60)).state == "renewed"


async def returned_by_retry(pod: Any, task: Any, set_clock: SetClock) -> None:
    await pod.end(task, "failed", reason="busy", retryable=True, log_tail="")
    set_clock(30)


async def returned_by_release(pod: Any, task: Any, set_clock: SetClock) -> None:
    await pod.end(task, "released")


async def returned_by_a_lost_lease(pod: Any, task: Any, set_clock: SetClock) -> None:
    set_clock(pod.lease_seconds + 1)


@pytest.mark.parametrize("back", [returned_by_retry, returned_by_release, returned_by_a_lost_lease])
async def test_a_task_that_comes_back_waits_too(
    back: Callable[..., Any], start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, set_clock: SetClock,
    rows: Rows,
) -> None:  # fmt: skip
    pod, other = await start_pod(), await start_pod()
    await enqueue()
    task = await pod.claim()
    made = await switch(kernel_api, "tenant")
    await back(pod, task, set_clock)
    assert await other.next() is None
    assert rows(SET) == [{"n": 1}]
    await release(kernel_api, made)
    assert (await other.claim()).task_id == task.task_id


async def test_a_retried_incident_waits_too(start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel) -> None:
    pod = await start_pod()
    [task_id] = await enqueue()
    await pod.end(await pod.claim(), "failed", reason="broken", retryable=False, log_tail="")
    made = await switch(kernel_api, "tenant")
    retried = await kernel_api.retry_task(task_id)
    assert (retried.stopped, retried.available_at) == (True, None)
    assert await pod.next() is None
    await release(kernel_api, made)
    assert (await pod.claim()).task_id == task_id


async def test_a_task_waits_as_long_as_any_switch_stops_it(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    await enqueue()
    one, two = await switch(kernel_api, "tenant"), await switch(kernel_api, "orchestrator", "echo")
    await release(kernel_api, one)
    assert await pod.next() is None
    await release(kernel_api, two)
    await pod.claim()


async def test_a_limited_tenant_has_its_limit_again_after_the_switch(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, owner: psycopg.Connection, set_clock: SetClock
) -> None:
    pods = [await start_pod() for _ in range(3)]
    share = "select * from public.set_tenant_share('acme', 1::numeric, %s::int)"
    owner.execute(share, [1])
    await enqueue(3)
    made = await switch(kernel_api, "tenant")
    owner.execute(share, [None])
    owner.execute(share, [2])
    assert [await pod.next() for pod in pods] == [None] * 3
    assert [task.stopped for task in await kernel_api.find_tasks()] == [True] * 3
    await release(kernel_api, made)
    set_clock(2)
    owner.execute("select kernel.sweep(kernel.now())")
    assert len([task for task in [await pod.next() for pod in pods] if task]) == 2


async def test_a_task_of_a_transaction_that_was_open_when_the_switch_was_set_is_not_missed(
    database_url: str, owner: psycopg.Connection, start_pod: StartPod, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    insert = """select * from kernel.insert_tasks('acme', null, null,
        '[{"activity_id": "work", "agent_orch": "echo"}]', 'kernel', kernel.now())"""
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    with psycopg.connect(database_url) as maker:
        maker.execute(insert)
        setter = threading.Thread(target=fleet_switch, args=(owner,))
        setter.start()
        with psycopg.connect(database_url, autocommit=True) as watcher:
            while watcher.execute(waiting).fetchone() == (0,):
                pass
        maker.commit()
        setter.join()
    assert await pod.next() is None
    assert [task.stopped for task in await kernel_api.find_tasks()] == [True]


async def test_the_sweep_parks_what_was_missed_and_gives_back_what_was_left(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, owner: psycopg.Connection, rows: Rows
) -> None:
    await start_pod()
    await enqueue(2)
    made = await kernel_api.set_kill_switch("tenant", "", "it runs wild", False)
    owner.execute("select kernel.sweep(kernel.now())")
    assert rows(SET) == [{"n": 2}]
    await kernel_api.release_kill_switch(made.switch_id)
    owner.execute("select set_config('fleet.swept_all_ms', '', false), kernel.sweep(kernel.now())")
    assert rows(SET) == [{"n": 0}]


async def test_a_drill_counts_and_tells_and_stops_nothing(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    ids = await enqueue(3)
    await enqueue(2, tenant="globex")
    running = await pod.claim()
    drilled = await kernel_api.drill_kill_switch("orchestrator", "echo", "practice")
    rest = sorted(set(ids) - {running.task_id}) if running.tenant_id == "acme" else sorted(ids)
    assert drilled.waiting == len(rest) and drilled.running == 3 - len(rest)
    assert drilled.task_ids[-len(rest) :] == rest
    assert rows(SET) == [{"n": 0}] and await kernel_api.find_kill_switches() == []
    [event] = rows("select tenant_id, actor, message, data ->> 'scope' as scope from events "
                   "where event_type = 'KILL_SWITCH_DRILLED'")  # fmt: skip
    assert tuple(event.values()) == ("acme", "user:ann@acme.test", "practice", "orchestrator")
    await pod.claim()


async def test_a_big_backlog_is_parked_and_given_back_in_batches(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, rows: Rows
) -> None:
    await start_pod()
    await enqueue(1200)
    made = await kernel_api.set_kill_switch("tenant", "", "too many", False)
    assert await kernel_api.enforce_kill_switch(made.switch_id) == (1200, 0)
    assert rows(SET) == [{"n": 1200}]
    await kernel_api.release_kill_switch(made.switch_id)
    assert await kernel_api.resume_work() == 1200
    assert rows(SET) == [{"n": 0}]


async def test_what_cannot_be_a_switch_is_refused_by_name(kernel_api: Kernel, start_pod: StartPod) -> None:
    await start_pod()
    for scope, key, error in (
        ("fleet", "", InvalidInput), ("tenant", "acme", InvalidInput), ("orchestrator", "nobody", NotFound),
        ("agent", "nobody", NotFound),
    ):  # fmt: skip
        with pytest.raises(error):
            await kernel_api.set_kill_switch(scope, key, "why", False)
    made = await switch(kernel_api, "tenant")
    with pytest.raises(Conflict):
        await switch(kernel_api, "tenant")
    with pytest.raises(NotFound):
        await kernel_api.as_tenant("globex", "user:eve").release_kill_switch(made.switch_id)
    await release(kernel_api, made)
    with pytest.raises(Conflict):
        await release(kernel_api, made)


async def test_a_task_whose_question_is_answered_waits_too(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    [task_id] = await enqueue()
    task = await pod.claim()
    call = {"kind": "tool", "name": "ask_person", "request": {}, "outcome": "started", "call_key": "k", "occurrence": 1}
    costs = {"input_tokens": 0, "output_tokens": 0, "cost_usd": "0", "latency_ms": 0, "replayable": True}
    call_id = (await pod.kernel.record_call(task, {**call, **costs})).call_id
    asked = await pod.kernel.ask_question(task, call_id, {"kind": "person", "question": "May I?"})
    assert await pod.kernel.suspend_task(task, [call_id]) == "waiting"
    made = await switch(kernel_api, "tenant")
    await kernel_api.answer_question(asked, "yes")
    assert await pod.next() is None
    await release(kernel_api, made)
    assert (await pod.claim()).task_id == task_id
