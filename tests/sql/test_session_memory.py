"""What a session remembers to claim fast must never hide a task from it."""

import psycopg
from backlog import burst, next_task
from fixture_types import Enqueue, SetClock, StartPod
from psycopg.rows import dict_row

ENTRIES = "select pg_stat_get_xact_tuples_returned('public.todolist_ready'::regclass)"
PAGES = "select pg_stat_get_xact_blocks_fetched('public.todolist_ready'::regclass)"
NEXT = "select * from public.next_task(gen_random_uuid(), %s, 60, %s)"


def read_by_a_claim(claimer: psycopg.Connection, counter: str) -> int:
    """What `counter` grows by in a claim; the middle one of five."""
    read: list[int] = []
    for _ in range(5):
        with claimer.transaction():
            before = claimer.execute(counter).fetchone()
            assert claimer.execute(NEXT, ['["echo"]', None]).fetchone() is not None
            after = claimer.execute(counter).fetchone()
            assert before and after
            read.append(after[0] - before[0])
    return sorted(read)[2]


async def test_a_claim_that_is_committed_after_another_pods_upkeep_is_reclaimed_by_that_pod(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, database_url: str
) -> None:
    pod, busy = await start_pod(name="a"), await start_pod(name="b")
    busy.lease_seconds = 3600
    await enqueue(2)
    with psycopg.connect(database_url, row_factory=dict_row) as slow:
        early = slow.execute(NEXT, ['["echo"]', None]).fetchone()
        assert early is not None
        assert (await busy.claim()).fencing_token > early["fencing_token"]
        assert await pod.next() is None
        slow.commit()
    set_clock(61)
    assert (await pod.claim()).task_id == early["task_id"]


async def test_the_queues_of_a_pod_take_turns(start_pod: StartPod, enqueue: Enqueue) -> None:
    pod = await start_pod(serves=("flooded", "echo"))
    await enqueue(20, agent_orch="flooded")
    await enqueue(3, agent_orch="echo")
    assert sorted([(await pod.claim()).agent_orch for _ in range(6)]) == ["echo"] * 3 + ["flooded"] * 3
    assert [(await pod.claim()).agent_orch for _ in range(3)] == ["flooded"] * 3


async def test_a_task_handed_back_behind_the_sessions_floor_is_found_again(
    start_pod: StartPod, enqueue: Enqueue
) -> None:
    pod, other = await start_pod(name="a"), await start_pod(name="b")
    await enqueue(10)
    first = await other.claim()
    for _ in range(4):
        await pod.end(await pod.claim())
    await other.end(first, "released")
    left = [(await pod.claim()).task_id for _ in range(6)]
    assert first.task_id in left and len(set(left)) == 6


async def test_a_session_whose_queues_change_finds_everything(start_pod: StartPod, enqueue: Enqueue) -> None:
    pod = await start_pod(serves=("echo", "other"))
    await enqueue(3, agent_orch="echo", priority=1)
    await enqueue(3, agent_orch="other", priority=1)
    for queues in (["echo"], ["other"], ["echo", "other"], ["other", "echo"], ["other"], ["echo"]):
        pod.queues = queues
        task = await pod.claim()
        assert task.agent_orch in queues


async def test_all_pods_together_find_every_task_whatever_its_priority(start_pod: StartPod, enqueue: Enqueue) -> None:
    pods = [await start_pod(name=name) for name in "abc"]
    ids = [i for n in range(30) for i in await enqueue(priority=1 + n * 7 % 5, tenant=("acme", "globex")[n % 2])]
    seen = [(await pods[n % 3].claim()).task_id for n in range(30)]
    assert sorted(seen) == sorted(ids)
    assert [await pod.next() for pod in pods] == [None] * 3


async def test_under_a_held_snapshot_finished_tasks_of_a_higher_priority_cost_a_claim_nothing(
    start_pod: StartPod, enqueue: Enqueue, database_url: str
) -> None:
    pod = await start_pod()
    await enqueue(50, priority=1)
    with psycopg.connect(database_url) as holder, psycopg.connect(database_url, autocommit=True) as claimer:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from public.todolist")
        await enqueue(400, priority=5)
        for _ in range(400):
            await pod.end(await pod.claim())
        claimer.execute(NEXT, ['["echo"]', None])
        assert read_by_a_claim(claimer, ENTRIES) < 20


async def test_pages_full_of_entries_that_are_known_to_be_dead_cost_a_claim_nothing(
    owner: psycopg.Connection, start_pod: StartPod, database_url: str
) -> None:
    await start_pod()
    burst(owner, 20_000)
    owner.execute(
        "update public.todolist set status = 'CANCELLED' where task_id in "
        "(select task_id from public.todolist order by fair_rank limit 19900)"
    )
    for _ in range(2):
        assert next_task(owner) is not None  # meets the dead entries and marks them
    with psycopg.connect(database_url, autocommit=True) as claimer:
        for _ in range(2):
            claimer.execute(NEXT, ['["echo"]', None])
        assert read_by_a_claim(claimer, PAGES) < 30


async def test_claims_from_the_head_of_a_queue_without_dead_entries_ask_for_no_floors(
    start_pod: StartPod, enqueue: Enqueue, database_url: str
) -> None:
    await start_pod()
    await enqueue(150)
    with psycopg.connect(database_url, autocommit=True) as claimer:
        for _ in range(150):
            assert claimer.execute(NEXT, ['["echo"]', None]).fetchone() is not None
            until = claimer.execute("select (current_setting('fleet.memory')::bigint[])[4]").fetchone()
            assert until is not None and until[0] > 0
