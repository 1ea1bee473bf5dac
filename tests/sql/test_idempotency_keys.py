"""An idempotency key: the same request again gets the same answer, another request is refused."""

import asyncio

import pytest
from fixture_types import Rows, StartInstance
from instance_steps import agent_task, person_task, step

from kernel.errors import InvalidInput
from kernel.functions import Kernel
from kernel.models import Started
from kernel.postgres import PostgresPool


async def begin(kernel: Kernel, key: str, fingerprint: str) -> Started:
    return await kernel.start_instance("order", 1, "ann@acme.test", step(0, person_task()), key, fingerprint)


async def test_the_same_start_again_gives_the_same_instance(deployed: str, kernel_api: Kernel, rows: Rows) -> None:
    first = await begin(kernel_api, "k", "f")
    second = await begin(kernel_api, "k", "f")
    assert (first.replayed, second.replayed) == (False, True)
    assert first.proc_inst_id == second.proc_inst_id
    assert [row["id"] for row in rows("select id from bpm_proc_inst")] == [first.proc_inst_id]
    assert len(rows("select from todolist")) == 1


async def test_starts_without_a_key_are_each_their_own(start_instance: StartInstance) -> None:
    assert await start_instance(person_task()) != await start_instance(person_task())


async def test_a_key_that_was_used_for_another_request_is_refused(
    deployed: str, kernel_api: Kernel, rows: Rows
) -> None:
    await begin(kernel_api, "k", "f")
    with pytest.raises(InvalidInput, match='"k" was used for another request') as refusal:
        await begin(kernel_api, "k", "other")
    assert (refusal.value.reason, refusal.value.remedy) == (
        "idempotency_key_reused",
        "Use a new key for a new request.",
    )
    assert len(rows("select from bpm_proc_inst")) == 1


async def test_a_key_of_one_tenant_says_nothing_to_another(deployed: str, kernel_api: Kernel, rows: Rows) -> None:
    globex = kernel_api.as_tenant("globex", "user:gil@globex.test")
    await globex.deploy_definition("order", "Order", "<bpmn/>", {}, [])
    await begin(kernel_api, "k", "f")
    assert not (await begin(globex, "k", "other")).replayed


async def test_a_start_that_was_refused_leaves_its_key_free(deployed: str, kernel_api: Kernel) -> None:
    bad = step(0, agent_task(priority=9))
    with pytest.raises(InvalidInput):
        await kernel_api.start_instance("order", 1, "ann", bad, "k", "f")
    assert not (await begin(kernel_api, "k", "g")).replayed


async def test_many_starts_at_once_with_one_key_make_one_instance(deployed: str, database_url: str, rows: Rows) -> None:
    async with PostgresPool(database_url, role="fleet_api", size=6) as pool:
        kernel = Kernel(pool).as_tenant("acme", "user:ann@acme.test")
        answers = await asyncio.gather(*(begin(kernel, "k", "f") for _ in range(6)))
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 5
    assert {answer.proc_inst_id for answer in answers} == {row["id"] for row in rows("select id from bpm_proc_inst")}
    assert len(rows("select from todolist")) == len(rows("select from bpm_proc_inst")) == 1


async def test_the_same_submission_again_is_answered_without_a_second_step(
    start_instance: StartInstance, kernel_api: Kernel
) -> None:
    instance_id = await start_instance(person_task())
    (task,) = await kernel_api.find_tasks(instance_id)
    answers = [
        await kernel_api.submit_task(task.task_id, {"n": 1}, step(1), idempotency_key="k", fingerprint="f")
        for _ in range(2)
    ]
    instance = await kernel_api.get_instance(instance_id)
    assert [answer.replayed for answer in answers] == [False, True]
    assert {answer.task_id for answer in answers} == {task.task_id}
    assert instance is not None and instance.revision == 2


async def test_a_submission_with_the_key_of_another_request_is_refused(
    start_instance: StartInstance, kernel_api: Kernel
) -> None:
    instance_id = await start_instance(person_task("a"), person_task("b"))
    later, earlier = await kernel_api.find_tasks(instance_id)
    await kernel_api.submit_task(earlier.task_id, {}, step(1), idempotency_key="k", fingerprint="f")
    with pytest.raises(InvalidInput, match="another request"):
        await kernel_api.submit_task(later.task_id, {}, step(2), idempotency_key="k", fingerprint="g")
    task = await kernel_api.get_task(later.task_id)
    assert task is not None and task.status == "TODO"
