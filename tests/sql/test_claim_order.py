"""Which task a claim takes: by priority, then by turns between tenants, then by age; and only from its queues."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest
from fixture_types import Enqueue, Pod, SetClock, StartPod, ended

from kernel.errors import InvalidInput
from kernel.functions import Kernel
from kernel.models import Agent


async def claim_all(pod: Pod) -> list[UUID]:
    """The ids of all tasks that are left, in the order in which they are claimed."""
    claimed = []
    while task := await pod.next():
        claimed.append(task.task_id)
    return claimed


async def test_an_empty_queue_gives_no_task(start_pod: StartPod) -> None:
    assert await (await start_pod()).next() is None


async def test_the_highest_priority_goes_first_whatever_the_age(start_pod: StartPod, enqueue: Enqueue) -> None:
    pod = await start_pod()
    by_priority = {priority: (await enqueue(priority=priority))[0] for priority in (2, 1, 5, 3, 4)}
    assert await claim_all(pod) == [by_priority[priority] for priority in (5, 4, 3, 2, 1)]


async def test_a_tenants_tasks_of_one_priority_go_in_the_order_of_their_coming(
    start_pod: StartPod, enqueue: Enqueue
) -> None:
    pod = await start_pod()
    coming = [*await enqueue(3), *await enqueue(1), *await enqueue(2)]
    assert await claim_all(pod) == coming


async def test_a_tenant_that_comes_after_a_flood_gets_every_other_turn(start_pod: StartPod, enqueue: Enqueue) -> None:
    pod = await start_pod()
    await enqueue(200, tenant="acme")
    late = set(await enqueue(10, tenant="globex"))
    first = [(await pod.claim()).task_id for _ in range(20)]
    assert late <= set(first)
    turns = ["globex" if task in late else "acme" for task in first]
    assert all(Counter(turns[start : start + 4])["acme"] == 2 for start in range(0, 20, 4)), turns


async def test_a_flood_that_comes_while_others_work_does_not_push_them_back(
    start_pod: StartPod, enqueue: Enqueue
) -> None:
    pod = await start_pod()
    await enqueue(5, tenant="globex")
    await pod.claim()
    await enqueue(100, tenant="acme")
    first = [(await pod.claim()).tenant_id for _ in range(8)]
    assert first.count("globex") == 4


async def test_a_tenant_that_was_idle_gains_no_credit_for_it(start_pod: StartPod, enqueue: Enqueue) -> None:
    pod = await start_pod()
    await enqueue(60, tenant="acme")
    for _ in range(30):
        await pod.claim()
    await enqueue(30, tenant="globex")
    first = [(await pod.claim()).tenant_id for _ in range(10)]
    assert first.count("acme") == 5


async def test_a_claim_takes_exactly_one_task(start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel) -> None:
    pod = await start_pod()
    ids = await enqueue(3)
    claimed = await pod.claim()
    tasks = {task.task_id: task for task in await kernel_api.find_tasks()}
    assert claimed.task_id == ids[0]
    assert [tasks[task_id].status for task_id in ids] == ["IN_PROGRESS", "PENDING", "PENDING"]
    assert [tasks[task_id].attempt for task_id in ids] == [1, 0, 0]


async def test_a_claim_takes_from_no_queue_but_the_asked_ones(start_pod: StartPod, enqueue: Enqueue) -> None:
    await start_pod(serves=("other",))
    echo = await start_pod(serves=("echo",))
    await enqueue(agent_orch="other", priority=5)
    assert await echo.next() is None
    mine = await enqueue(agent_orch="echo", priority=1)
    assert (await echo.claim()).task_id == mine[0]


async def test_a_pod_of_several_queues_goes_by_priority_across_them(start_pod: StartPod, enqueue: Enqueue) -> None:
    pod = await start_pod(serves=("echo", "other"))
    low = await enqueue(agent_orch="echo", priority=2)
    high = await enqueue(agent_orch="other", priority=4)
    assert await claim_all(pod) == [*high, *low]


async def test_an_end_without_queues_claims_nothing(start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel) -> None:
    pod = await start_pod()
    first, second = await enqueue(2)
    await pod.end(await pod.claim())
    assert [(await kernel_api.get_task(task)).status for task in (first, second)] == ["DONE", "PENDING"]  # type: ignore[union-attr]


async def test_one_call_ends_a_task_and_claims_the_next(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    first, second = await enqueue(2)
    claimed = await pod.next(ended(await pod.claim(), output={"n": 1}))
    done = await kernel_api.get_task(first)
    assert claimed is not None and claimed.task_id == second
    assert done is not None and (done.status, done.output) == ("DONE", {"n": 1})


async def test_pods_that_claim_at_once_never_take_the_same_task(start_pod: StartPod, enqueue: Enqueue) -> None:
    pods = [await start_pod(name=f"pod-{number}") for number in range(4)]
    ids = await enqueue(60)
    claimed = await asyncio.gather(*(claim_all(pod) for pod in pods))
    assert sorted(task for of_pod in claimed for task in of_pod) == sorted(ids)


async def test_a_claim_carries_what_the_orchestrator_needs(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    agent = Agent(agent_id="ada", name="Ada", role="r", goal="g", persona="p", model=None, tools=["search"])
    await kernel_api.save_agent(agent)
    pod = await start_pod()
    schema = {"type": "object"}
    await enqueue(agent_id="ada", instruction="Do it.", input={"n": 1}, output_schema=schema, timeout_seconds=30)
    task = await pod.claim()
    assert (task.tenant_id, task.agent, task.instruction, task.input) == ("acme", agent, "Do it.", {"n": 1})
    assert (task.output_schema, task.timeout_seconds, task.attempt, task.max_attempts) == (schema, 30, 1, 3)
    assert (task.lease_expires_at - task.started_at).total_seconds() == 60


@pytest.mark.parametrize("field", ["priority", "max_attempts", "timeout_seconds"])
async def test_a_task_with_a_number_out_of_bounds_is_refused(enqueue: Enqueue, field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        await enqueue(**{field: 0})


async def test_a_low_priority_that_waited_a_minute_is_not_starved_by_a_stream_of_the_highest(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock
) -> None:
    pod = await start_pod()
    low = await enqueue(2, priority=1)
    set_clock(61)
    found, claims = [], 0
    while len(found) < 2 and claims < 20_000:
        if claims % 200 == 0:
            await enqueue(200, priority=5)
        task = await pod.claim()
        claims += 1
        found += [task.task_id] if task.task_id in low else []
    assert found == low and claims > 2


async def test_a_low_priority_that_has_just_come_waits_for_the_highest(start_pod: StartPod, enqueue: Enqueue) -> None:
    pod = await start_pod()
    [low] = await enqueue(1, priority=1)
    await enqueue(300, priority=5)
    assert (await claim_all(pod))[-1] == low
