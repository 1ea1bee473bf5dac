"""What both transports refuse: the same exceptions, reasons and remedies."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest
from supabase_project import SupabaseProject

from kernel.errors import (
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    InstanceChanged,
    InvalidInput,
    LeaseLost,
    NotFound,
    SettingsInvalid,
)
from kernel.functions import Kernel
from kernel.models import ClaimedTask
from kernel.postgres import PostgresConnection, Transport
from kernel.supabase_transport import SupabaseConnection


async def claim(api: Kernel, pod: Kernel, queue: str) -> ClaimedTask:
    pod_id = uuid4()
    await pod.register_pod(pod_id, "p", [{"id": queue, "description": ""}], None)
    await api.enqueue_tasks([{"activity_id": "work", "agent_orch": queue}])
    task = await pod.next_task(pod_id, [queue], 60)
    assert task is not None
    return task


async def test_what_is_not_there_is_not_found(api: Kernel) -> None:
    with pytest.raises(NotFound, match="There is no process instance") as refusal:
        await api.cancel_instance(uuid4(), "")
    assert (refusal.value.http_status, refusal.value.reason, refusal.value.remedy) == (404, "instance_unknown", "")


async def test_a_stale_fencing_token_loses_the_lease(api: Kernel, pod: Kernel, queue: str) -> None:
    task = await claim(api, pod, queue)
    stale = task.model_copy(update={"fencing_token": task.fencing_token - 1})
    with pytest.raises(LeaseLost) as refusal:
        await pod.report_progress(stale, "half")
    assert (refusal.value.reason, refusal.value.remedy) == ("lease_lost", "Stop working on it.")
    assert (await pod.renew_lease(stale, 60)).state == "lost"
    await pod.report_progress(task, "half")


async def test_a_step_for_an_old_revision_and_a_closed_task_are_conflicts(api: Kernel) -> None:
    await api.deploy_definition("order", "Order", "<bpmn/>", {}, [])
    step = {"revision": 0, "state": {}, "variables": {}, "ended": False, "cancelled": [], "tasks": []}
    started = await api.start_instance("order", 1, "ann", {**step, "tasks": [{"activity_id": "ask"}]})
    (task,) = await api.find_tasks(started.proc_inst_id)
    with pytest.raises(InstanceChanged):
        await api.submit_task(task.task_id, {}, step)
    await api.submit_task(task.task_id, {}, {**step, "revision": 1})
    with pytest.raises(Conflict, match="is DONE: only") as refusal:
        await api.submit_task(task.task_id, {}, {**step, "revision": 2})
    assert type(refusal.value) is Conflict


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("get_task", {"task_id": "no uuid"}),
        ("find_tasks", {"status": "NO_STATUS"}),
        ("find_instances", {"limit": "many"}),
        ("find_tasks", {"person": "nul\0"}),
        ("find_tasks", {"person": "\ud800"}),
        ("enqueue_tasks", {"tasks": [{"activity_id": "nul\0"}]}),
        ("enqueue_tasks", {"tasks": [{"activity_id": "a", "input": {"x": float("nan")}}]}),
        ("enqueue_tasks", {"tasks": [{"activity_id": "a", "input": {"x": object()}}]}),
        ("enqueue_tasks", {"tasks": [{"activity_id": "a", "priority": 9}]}),
        ("enqueue_tasks", {"tasks": [{"name": "no activity"}]}),
    ],
)
async def test_values_that_the_database_cannot_take_are_invalid_input(
    api: Kernel, function: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput):
        await api.transport.call(function, api.claims, **arguments)
    assert await api.find_tasks() == []


async def test_a_role_does_what_it_may_and_no_more(api: Kernel, pod: Kernel, tenants: tuple[str, str]) -> None:
    with pytest.raises(Forbidden):
        await api.next_task(uuid4(), ["echo"], 60)
    with pytest.raises(Forbidden):
        await pod.as_tenant(tenants[0], "pod:x").enqueue_tasks([])
    for kernel in (api, pod):
        with pytest.raises(Forbidden):
            await kernel.transport.call("create_tenant", None, tenant_id="mine", name="Mine")


async def test_claims_last_for_one_call_and_show_one_tenant(api: Kernel, tenants: tuple[str, str]) -> None:
    (task_id,) = await api.enqueue_tasks([{"activity_id": "ask"}])
    assert [task.task_id for task in await api.find_tasks()] == [task_id]
    assert await api.as_tenant(tenants[1], "user:gil@globex.test").find_tasks() == []
    assert await api.as_tenant(tenants[1], "user:gil@globex.test").get_task(task_id) is None
    for nobody in (Kernel(api.transport), Kernel(api.transport, {})):
        assert await nobody.find_tasks() == []
        with pytest.raises(Forbidden, match="name no tenant") as refusal:
            await nobody.enqueue_tasks([{"activity_id": "ask"}])
        assert refusal.value.reason == "tenant_missing"


async def test_many_claimers_get_each_task_once(
    open_transport: Callable[[str, str], Transport], via: str, api: Kernel, pod: Kernel, queue: str
) -> None:
    await pod.register_pod(uuid4(), "p", [{"id": queue, "description": ""}], None)
    ids = await api.enqueue_tasks([{"activity_id": "work", "agent_orch": queue}] * 40)

    async def drain() -> list[ClaimedTask]:
        kernel, pod_id, mine = Kernel(open_transport(via, "fleet_pod")), uuid4(), []
        while task := await kernel.next_task(pod_id, [queue], 60):
            mine.append(task)
        return mine

    claimed = [task for mine in await asyncio.gather(*(drain() for _ in range(6))) for task in mine]
    assert sorted(task.task_id for task in claimed) == sorted(ids)
    assert len({task.fencing_token for task in claimed}) == 40


async def test_a_database_that_is_not_there_is_unavailable(via: str) -> None:
    nowhere: Transport = (
        PostgresConnection("postgresql://fleet@127.0.0.1:1/fleet", "fleet_api")
        if via == "postgres"
        else SupabaseConnection("http://127.0.0.1:1", "sb_secret_x", "fleet_api")
    )
    with pytest.raises(DatabaseUnavailable):
        await nowhere.call("queue_depths", None)


async def test_a_key_that_is_not_the_service_key_opens_nothing(project: SupabaseProject) -> None:
    wrong = {"no key": SettingsInvalid, project.token("anon"): Forbidden, project.token("authenticated"): Forbidden}
    for key, kind in wrong.items():
        async with SupabaseConnection(project.url, key, "fleet_api") as connection:
            with pytest.raises(kind) as refusal:
                await connection.call("queue_depths", None)
            assert key not in str(refusal.value)
    async with SupabaseConnection(project.url, project.token("service_role"), "fleet_api") as connection:
        assert isinstance(await connection.call("queue_depths", None), list)


async def test_a_function_that_is_not_there_tells_what_to_do(project: SupabaseProject) -> None:
    async with SupabaseConnection(project.url, project.service_key, "fleet_api") as connection:
        with pytest.raises(SettingsInvalid, match=r"no function no_such.*fleet migrate"):
            await connection.call("no_such", None)
