"""What a tenant may take of the pods: its weight among others, and the most tasks it may have running at once."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from fixture_types import Enqueue, Pod, SetClock, StartPod, ended

Share = Callable[..., None]


@pytest.fixture
def share(owner: psycopg.Connection) -> Share:
    def set_share(tenant: str, weight: float = 1, max_running: int | None = None) -> None:
        owner.execute("select * from public.set_tenant_share(%s, %s::numeric, %s::int)", [tenant, weight, max_running])

    return set_share


async def running(pods: list[Pod]) -> list[tuple[Pod, str, UUID]]:
    """What each pod claims now; a pod that finds nothing is left out."""
    claims = [(pod, await pod.next()) for pod in pods]
    return [(pod, task.tenant_id, task.task_id) for pod, task in claims if task]


async def test_tenants_take_turns_in_the_proportion_of_their_weights(
    start_pod: StartPod, enqueue: Enqueue, share: Share
) -> None:
    share("globex", weight=3)
    pod = await start_pod()
    await enqueue(60, tenant="acme")
    await enqueue(60, tenant="globex")
    first = Counter([(await pod.claim()).tenant_id for _ in range(40)])
    assert 28 <= first["globex"] <= 31 and first["acme"] == 40 - first["globex"]


async def test_a_tenant_never_runs_more_tasks_than_its_limit(
    start_pod: StartPod, enqueue: Enqueue, share: Share
) -> None:
    share("acme", max_running=2)
    pods = [await start_pod() for _ in range(4)]
    await enqueue(5, tenant="acme")
    assert len(await running(pods)) == 2


async def test_what_is_over_the_limit_does_not_stand_in_the_way_of_others(
    start_pod: StartPod, enqueue: Enqueue, share: Share
) -> None:
    share("acme", max_running=1)
    pods = [await start_pod() for _ in range(3)]
    await enqueue(50, tenant="acme")
    await enqueue(2, tenant="globex")
    assert sorted(tenant for _, tenant, _ in await running(pods)) == ["acme", "globex", "globex"]


async def test_all_tasks_of_a_limited_tenant_run_in_the_end_in_order(
    start_pod: StartPod, enqueue: Enqueue, share: Share
) -> None:
    share("acme", max_running=1)
    pod = await start_pod()
    waiting = await enqueue(4, tenant="acme")
    claimed = []
    task = await pod.claim()
    while task:
        claimed.append(task.task_id)
        task = await pod.next(ended(task))
    assert claimed == waiting


async def test_a_limit_holds_for_what_is_queued_already_and_ends_when_it_is_lifted(
    start_pod: StartPod, enqueue: Enqueue, share: Share
) -> None:
    pods = [await start_pod() for _ in range(5)]
    await enqueue(6, tenant="acme")
    share("acme", max_running=1)
    assert len(await running(pods)) == 1
    share("acme")
    assert len(await running(pods[1:])) == 4


async def test_a_retry_of_a_limited_tenant_waits_for_a_place(
    start_pod: StartPod, enqueue: Enqueue, share: Share, set_clock: SetClock
) -> None:
    share("acme", max_running=1)
    pod, other = await start_pod(), await start_pod()
    first, second = await enqueue(2, tenant="acme")
    task = await pod.claim()
    assert task.task_id == first
    after = await pod.next(ended(task, outcome="failed", reason="busy", retryable=True, log_tail=""))
    if after is None:
        after = await pod.claim()
    assert after.task_id == second
    set_clock(20)
    assert await other.next() is None
    again = await pod.next(ended(after))
    assert again and again.task_id == first


@pytest.mark.parametrize(
    ("weight", "max_running", "names"), [(0, None, "weight"), (1000, None, "weight"), (1, 0, "max_running")]
)
def test_a_share_out_of_range_is_refused(share: Share, weight: float, max_running: int | None, names: str) -> None:
    with pytest.raises(psycopg.Error, match=names):
        share("acme", weight, max_running)


def test_a_share_of_nobody_is_refused(share: Share) -> None:
    with pytest.raises(psycopg.Error, match="no tenant"):
        share("nobody")
