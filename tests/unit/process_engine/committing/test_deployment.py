"""Deploying over a real database: what a definition refers to must be there, and versions stay what they were.

Each test has process ids of its own: programs keep the versions they have read, which never change in a database.
"""

import pytest
from bpmn_writing import extensions, process, scope
from dmn_writing import dmn, table

from kernel.functions import Kernel
from kernel.models import TaskStatus
from process_engine.committing import advance, deployment
from process_engine.values.errors import DefinitionInvalid, StepFailed


def child(task: str, process_id: str) -> bytes:
    content = scope(f"startEvent s, userTask {task}, endEvent e", f"s -> {task} -> e")
    return process(content, f'id="{process_id}" isExecutable="true"')


def parent(process_id: str, calls: str, binding: str = "latest") -> bytes:
    call = extensions(f'<zeebe:calledElement processId="{calls}" bindingType="{binding}"/>')
    content = scope("startEvent s, callActivity a, endEvent e", "s -> a -> e", {"a": call})
    return process(content, f'id="{process_id}" isExecutable="true"')


async def open_task(kernel: Kernel, instance_id: object) -> tuple[str, str | None]:
    (task,) = [t for t in await kernel.find_tasks(None, TaskStatus.TODO) if t.proc_inst_id == instance_id]
    return task.activity_id, task.process_definition_id


async def test_a_call_takes_the_newest_version_and_ends_on_the_one_it_began_with(kernel_api: Kernel) -> None:
    await deployment.deploy(kernel_api, child("first", "latest_child"))
    await deployment.deploy(kernel_api, parent("latest_parent", "latest_child"))
    old = await advance.start(kernel_api, "latest_parent", {}, "ann")
    await deployment.deploy(kernel_api, child("second", "latest_child"))
    new = await advance.start(kernel_api, "latest_parent", {}, "ann")
    assert await open_task(kernel_api, old.proc_inst_id) == ("first", "latest_child")
    assert await open_task(kernel_api, new.proc_inst_id) == ("second", "latest_child")
    for task in await kernel_api.find_tasks(None, TaskStatus.TODO):
        await advance.submit(kernel_api, task.task_id, {"done": task.activity_id})
    for started, done in ((old, "first"), (new, "second")):
        instance = await kernel_api.get_instance(started.proc_inst_id)
        assert instance is not None
        assert (instance.status, instance.variables) == ("COMPLETED", {"done": done})


async def test_a_call_that_is_bound_to_its_deployment_keeps_that_version(kernel_api: Kernel) -> None:
    await deployment.deploy(kernel_api, child("first", "bound_child"))
    assert (await deployment.deploy(kernel_api, parent("bound_parent", "bound_child", "deployment"))).version == 1
    await deployment.deploy(kernel_api, child("second", "bound_child"))
    started = await advance.start(kernel_api, "bound_parent", {}, "ann")
    assert (await open_task(kernel_api, started.proc_inst_id))[0] == "first"
    assert (await deployment.deploy(kernel_api, parent("bound_parent", "bound_child", "deployment"))).version == 2, (
        "it binds anew"
    )
    assert (await deployment.deploy(kernel_api, parent("bound_parent", "bound_child", "deployment"))).is_new is False
    started = await advance.start(kernel_api, "bound_parent", {}, "ann")
    assert (await open_task(kernel_api, started.proc_inst_id))[0] == "second"


async def test_what_is_not_deployed_is_refused_by_name_but_a_process_may_call_itself(kernel_api: Kernel) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        await deployment.deploy(kernel_api, parent("calls_nobody", "nobody"))
    (problem,) = caught.value.problems
    assert problem.element_id == "a"
    assert "refers to the process 'nobody', which is not deployed; deploy that first" in problem.message
    await deployment.deploy(kernel_api, parent("calls_itself", "calls_itself"))
    with pytest.raises(StepFailed, match="at most 20 calls may be inside each other"):
        await advance.start(kernel_api, "calls_itself", {}, "ann")


async def test_a_decision_is_versioned_and_asked_by_its_id(kernel_api: Kernel) -> None:
    content = extensions('<zeebe:calledDecision decisionId="d" resultVariable="answer"/>')
    asking = process(
        scope("startEvent s, businessRuleTask a, endEvent e", "s -> a -> e", {"a": content}),
        'id="asks" isExecutable="true"',
    )
    with pytest.raises(DefinitionInvalid, match="refers to the decision 'd', which is not deployed"):
        await deployment.deploy(kernel_api, asking)
    first, second = (dmn(table(["x"], ["y"], [f"- => {n}"])) for n in (1, 2))
    assert [(d.id, d.version, d.is_new) for d in await deployment.deploy_decisions(kernel_api, first)] == [
        ("d", 1, True)
    ]
    assert [(d.version, d.is_new) for d in await deployment.deploy_decisions(kernel_api, first)] == [(1, False)]
    await deployment.deploy(kernel_api, asking)
    for version, file in ((1, first), (2, second)):
        assert (await deployment.deploy_decisions(kernel_api, file))[0].version == version
        started = await advance.start(kernel_api, "asks", {"x": 0}, "ann")
        instance = await kernel_api.get_instance(started.proc_inst_id)
        assert instance is not None
        assert instance.variables["answer"] == version
    assert [d.version for d in await kernel_api.find_decisions("d")] == [2, 1]
