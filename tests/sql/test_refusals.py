"""What the database refuses, the machine's word for it, and the remedy."""

from uuid import uuid4

import pytest
from fixture_types import StartInstance
from instance_steps import agent_task, person_task, step

from kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from kernel.functions import Kernel


async def test_a_task_that_does_not_exist_is_not_found(kernel_api: Kernel) -> None:
    with pytest.raises(NotFound) as refusal:
        await kernel_api.submit_task(uuid4(), {})
    assert (refusal.value.http_status, refusal.value.reason) == (404, "task_unknown")


async def test_another_tenants_task_and_instance_are_not_found(
    start_instance: StartInstance, kernel_api: Kernel
) -> None:
    instance_id = await start_instance(person_task())
    (task,) = await kernel_api.find_tasks(instance_id)
    globex = kernel_api.as_tenant("globex", "user:gil@globex.test")
    with pytest.raises(NotFound):
        await globex.submit_task(task.task_id, {}, step(1))
    with pytest.raises(NotFound) as refusal:
        await globex.cancel_instance(instance_id, "")
    assert refusal.value.reason == "instance_unknown"
    await kernel_api.cancel_instance(instance_id, "")


async def test_an_instance_that_has_ended_cannot_be_cancelled(
    start_instance: StartInstance, kernel_api: Kernel
) -> None:
    instance_id = await start_instance(person_task())
    await kernel_api.cancel_instance(instance_id, "")
    with pytest.raises(Conflict, match="is CANCELLED already") as refusal:
        await kernel_api.cancel_instance(instance_id, "")
    assert refusal.value.reason == "instance_closed"


async def test_a_definition_that_names_an_unregistered_orchestrator_is_refused_with_the_choice(
    kernel_api: Kernel, kernel_pod: Kernel
) -> None:
    with pytest.raises(InvalidInput, match="not registered: b, c") as refusal:
        await kernel_api.deploy_definition("d", "D", "<bpmn/>", {}, ["c", "b"])
    assert (refusal.value.reason, refusal.value.remedy[-11:]) == ("orchestrator_unknown", "(none yet).")
    await kernel_pod.register_pod(uuid4(), "p", [{"id": "b", "description": ""}], None)
    with pytest.raises(InvalidInput, match="not registered: c") as refusal:
        await kernel_api.deploy_definition("d", "D", "<bpmn/>", {}, ["c", "b"])
    assert refusal.value.remedy.endswith("use one of: b.")
    assert (await kernel_api.deploy_definition("d", "D", "<bpmn/>", {}, ["b"])).version == 1


async def test_an_instance_of_an_unknown_version_is_refused(kernel_api: Kernel, deployed: str) -> None:
    with pytest.raises(InvalidInput):
        await kernel_api.start_instance(deployed, 2, "ann", step(0))
    assert await kernel_api.find_instances() == []


async def test_credentials_without_a_tenant_change_nothing(kernel_api: Kernel) -> None:
    nobody = kernel_api.as_caller({"actor": "user:nobody"})
    with pytest.raises(Forbidden, match="name no tenant") as refusal:
        await nobody.enqueue_tasks([agent_task()])
    assert (refusal.value.http_status, refusal.value.reason) == (403, "tenant_missing")
    assert "tenant_id" in refusal.value.remedy


async def test_the_tenant_of_a_supabase_token_is_in_its_app_metadata(kernel_api: Kernel, deployed: str) -> None:
    claims = {"sub": "17", "email": "ann@acme.test", "app_metadata": {"tenant_id": "acme"}}
    await kernel_api.as_caller(claims).deploy_definition("order", "Order", "<bpmn>2</bpmn>", {}, [])
    newest = await kernel_api.get_definition("order")
    assert newest is not None and (newest.version, newest.deployed_by) == (2, "user:ann@acme.test")


async def test_a_tenant_claim_outside_the_app_metadata_of_a_token_is_not_the_users_to_set(kernel_api: Kernel) -> None:
    claims = {"sub": "17", "user_metadata": {"tenant_id": "acme"}}
    with pytest.raises(Forbidden):
        await kernel_api.as_caller(claims).enqueue_tasks([agent_task()])


async def test_deploying_the_same_text_gives_the_version_that_is_there(kernel_api: Kernel, deployed: str) -> None:
    again = await kernel_api.deploy_definition(deployed, "Order", "<bpmn/>", {}, [])
    changed = await kernel_api.deploy_definition(deployed, "Order", "<bpmn>2</bpmn>", {}, [])
    back = await kernel_api.deploy_definition(deployed, "Order", "<bpmn/>", {}, [])
    assert [(d.version, d.is_new) for d in (again, changed, back)] == [(1, False), (2, True), (3, True)]
