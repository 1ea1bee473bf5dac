"""Cancelling a task, and all open work of an agent, an orchestrator or a tenant."""

import psycopg
import pytest
from fixture_types import Enqueue, Rows, StartInstance, StartPod
from instance_steps import agent_task, person_task

from kernel.errors import Conflict, LeaseLost, NotFound
from kernel.functions import Kernel
from kernel.models import ClaimedTask, ProcessStatus, TaskStatus

WHY = "it is not needed"


def tool_call(name: str, outcome: str = "ok", idempotent: bool | None = False) -> dict[str, object]:
    counts = {"input_tokens": 0, "output_tokens": 0, "cost_usd": "0", "latency_ms": 1}
    call = {"kind": "tool", "name": name, "request": {}, "response": {}, "outcome": outcome, "idempotent": idempotent}
    return {**call, **counts}


async def test_a_running_task_is_cancelled_and_its_pod_is_told(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, database_url: str, rows: Rows
) -> None:
    pod = await start_pod()
    [task_id] = await enqueue()
    task = await pod.claim()
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("listen fleet_cancel")
        await kernel_api.cancel_task(task_id, WHY)
        [told] = listener.notifies(timeout=10, stop_after=1)
    assert told.payload == str(pod.pod_id)
    assert (await pod.kernel.renew_lease(task, 60)).state == "cancelled"
    with pytest.raises(LeaseLost):
        await pod.end(task)
    [event] = rows("select actor, message from events where event_type = 'TASK_CANCELLED'")
    assert tuple(event.values()) == ("user:ann@acme.test", WHY)
    with pytest.raises(Conflict):
        await kernel_api.cancel_task(task_id, WHY)
    with pytest.raises(NotFound):
        await kernel_api.as_tenant("globex", "user:eve").cancel_task(task_id, WHY)


async def test_an_instance_of_a_cancelled_task_is_in_error_until_the_task_is_taken_up_again(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("one"), agent_task("two"))
    task = await pod.claim()
    await kernel_api.cancel_task(task.task_id, WHY)
    instance = await kernel_api.get_instance(instance_id)
    assert instance and instance.status == ProcessStatus.ERROR
    assert instance.error == f"one: cancelled by user:ann@acme.test: {WHY}"
    assert rows("select type, user_id from notifications") == [{"type": "INCIDENT", "user_id": "ann@acme.test"}]
    other = await pod.claim()
    await pod.end(other, "failed", reason="broken", retryable=False, log_tail="")
    await kernel_api.retry_task(other.task_id)
    assert (instance := await kernel_api.get_instance(instance_id)) and instance.status == ProcessStatus.ERROR
    [again] = await kernel_api.retry_instance(instance_id)
    assert (again.task_id, again.status, again.cancelled_by) == (task.task_id, TaskStatus.PENDING, None)
    assert (instance := await kernel_api.get_instance(instance_id)) and instance.status == ProcessStatus.RUNNING


async def test_a_task_that_was_cancelled_with_its_instance_cannot_be_taken_up(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("one"), agent_task("two"))
    task = await pod.claim()
    await kernel_api.cancel_task(task.task_id, WHY)
    await kernel_api.cancel_instance(instance_id, "all of it")
    for row in rows("select task_id from todolist"):
        with pytest.raises(Conflict):
            await kernel_api.retry_task(row["task_id"])
    why = rows("select message from events where event_type = 'TASK_CANCELLED' order by event_id")
    assert [row["message"] for row in why] == [WHY, "all of it"]


@pytest.mark.parametrize("scope", ["agent", "orchestrator", "tenant"])
async def test_open_work_of_a_scope_is_found_running_first(
    scope: str, start_pod: StartPod, start_instance: StartInstance, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod(("echo", "other"))
    [alone] = await enqueue(1, agent_id="clerk", agent_orch="other")
    of_agent = await start_instance(agent_task("work", agent_id="clerk", agent_orch="other", priority=5))
    [other] = await enqueue(1)
    of_people = await start_instance(person_task())
    await enqueue(1, tenant="globex", agent_id="clerk", agent_orch="other")
    assert (await pod.claim()).proc_inst_id == of_agent
    key = {"agent": "clerk", "orchestrator": "other", "tenant": ""}[scope]
    found = await kernel_api.find_open_work(scope, key, 10)
    assert (found[0].proc_inst_id, found[0].running) == (of_agent, 1)
    everything = {of_agent, alone} | ({other, of_people} if scope == "tenant" else set())
    assert {work.proc_inst_id or work.task_id for work in found} == everything
    assert len(await kernel_api.find_open_work(scope, key, 1)) == 1


async def test_an_instance_that_waits_without_a_task_is_work_of_its_tenant(
    start_instance: StartInstance, kernel_api: Kernel
) -> None:
    instance_id = await start_instance()
    assert [work.proc_inst_id for work in await kernel_api.find_open_work("tenant", "", 10)] == [instance_id]


async def test_effects_are_the_calls_that_no_cancel_undoes(
    start_pod: StartPod, start_instance: StartInstance, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod()

    async def called(*calls: dict[str, object]) -> ClaimedTask:
        task = await pod.claim()
        for call in calls:
            await pod.kernel.record_call(task, call)
        return task

    instance_id = await start_instance(agent_task("one"))
    task = await called(
        tool_call("send"), tool_call("look", idempotent=True), tool_call("refused", "error"),
        tool_call("unknown", idempotent=None),
    )  # fmt: skip
    [alone] = await enqueue()
    await called(tool_call("pay"))
    await kernel_api.cancel_instance(instance_id, WHY)
    [one, two] = await kernel_api.find_effects([instance_id], [], 10)
    assert (one.name, one.task_id, two.name) == ("send", task.task_id, "unknown")
    assert [effect.name for effect in await kernel_api.find_effects([instance_id], [alone], 10)][-1] == "pay"
    assert len(await kernel_api.find_effects([instance_id], [alone], 2)) == 2
    assert await kernel_api.as_tenant("globex", "user:eve").find_effects([instance_id], [alone], 10) == []
