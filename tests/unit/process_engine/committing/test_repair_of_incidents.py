"""Incidents are taken up: with changed variables, from scratch, and those of events, each by who and why."""

from typing import Any

import psycopg
import pytest
from bpmn_writing import extensions, scope
from engine_in_database import Start, instance_of, open_tasks, submit, unique
from event_writing import boundary, mapped, message, signal, timer

from kernel.errors import Conflict, InvalidInput, NotFound
from kernel.functions import Kernel
from kernel.models import Instance, ProcessStatus
from kernel.repair_models import Incident, IncidentKind
from process_engine.committing import repair
from process_engine.committing.arrivals import work_off_arrivals
from process_engine.committing.deployment import deploy
from process_engine.values.errors import StepFailed

WORK = extensions(
    '<zeebe:taskDefinition type="echo"/><zeebe:taskHeaders><zeebe:header key="instruction" value="=&quot;pay &quot; + '
    'string(amount)"/></zeebe:taskHeaders><zeebe:ioMapping><zeebe:input source="=amount * 2" target="double"/>'
    "</zeebe:ioMapping>"
)
ROBOT = scope("startEvent s, serviceTask work, endEvent e", "s -> work -> e", {"work": WORK})
CALL = {"kind": "chat", "name": "gpt", "request": {"body": {}, "parts": []}, "response": {"body": {}, "parts": []}}
MODEL_CALL = {**CALL, "outcome": "ok", "input_tokens": 3, "output_tokens": 5, "cost_usd": "0.25", "latency_ms": 7}
TOOL_CALL = {**MODEL_CALL, "kind": "tool", "name": "pay", "input_tokens": 0, "output_tokens": 0, "cost_usd": "0"}


async def failed_robot(start: Start, start_pod: Any, **variables: Any) -> tuple[Any, Any, Any]:
    """A pod, its instance, and the task of it that failed after a model call and a tool call."""
    pod = await start_pod()
    instance = await start(unique(ROBOT), **variables)
    task = await pod.claim()
    for number, call in enumerate((MODEL_CALL, TOOL_CALL)):
        await pod.kernel.record_call(task, {**call, "call_key": str(number), "occurrence": 1, "replayable": True})
    await pod.end(task, "failed", reason="it broke", retryable=False, log_tail=None)
    return pod, instance, task


async def the_incident(kernel: Kernel) -> Incident:
    [incident] = await kernel.find_incidents()
    return incident


async def test_a_retry_with_changed_variables_computes_the_input_anew(
    kernel_api: Kernel, start: Start, start_pod: Any
) -> None:
    pod, instance, task = await failed_robot(start, start_pod, amount=4, customer="ann")
    assert (task.input, task.instruction) == ({"double": 8}, "pay 4")
    before = await instance_of(kernel_api, instance)
    await repair.retry(kernel_api, task.task_id, "the amount was wrong", {"amount": 7}, False)
    again = await pod.claim()
    assert (again.task_id, again.input, again.instruction) == (task.task_id, {"double": 14}, "pay 7")
    standing = await instance_of(kernel_api, instance)
    assert standing.variables == {"amount": 7, "customer": "ann"}
    assert (standing.status, standing.revision) == (ProcessStatus.RUNNING, before.revision + 1)
    assert len(await pod.kernel.journalled_calls(again)) == 2, "what it asked stays answered"
    [event] = await kernel_api.find_events(instance, event_type="INCIDENT_RETRIED")
    assert event.actor == "user:ann@acme.test"
    assert event.data is not None
    assert (event.data["reason"], event.data["variables"]) == ("the amount was wrong", ["amount"])


async def test_a_retry_from_scratch_sets_the_journal_aside_and_says_what_is_paid_again(
    kernel_api: Kernel, start: Start, start_pod: Any
) -> None:
    pod, instance, task = await failed_robot(start, start_pod, amount=4)
    with pytest.raises(InvalidInput, match="reason is missing"):
        await repair.retry(kernel_api, task.task_id, None, None, True)
    done = await repair.retry(kernel_api, task.task_id, "it went astray", None, True)
    assert (done.model_calls, done.tool_calls, done.input_tokens, done.output_tokens) == (1, 1, 3, 5)
    assert str(done.cost_usd) == "0.25000000"
    again = await pod.claim()
    assert await pod.kernel.journalled_calls(again) == []
    assert len(await kernel_api.find_calls(instance)) == 2, "the journal keeps them"
    await pod.kernel.record_call(again, {**MODEL_CALL, "call_key": "0", "occurrence": 1, "replayable": True})


async def test_variables_that_the_task_cannot_be_opened_with_change_nothing(
    kernel_api: Kernel, start: Start, start_pod: Any
) -> None:
    _, instance, task = await failed_robot(start, start_pod, amount=4)
    with pytest.raises(StepFailed, match="double"):
        await repair.retry(kernel_api, task.task_id, "try", {"amount": "many"}, False)
    standing = await instance_of(kernel_api, instance)
    assert (standing.status, standing.variables) == (ProcessStatus.ERROR, {"amount": 4})


async def test_what_is_no_incident_is_not_retried(kernel_api: Kernel, start: Start, start_pod: Any) -> None:
    _, _, task = await failed_robot(start, start_pod, amount=4)
    await repair.retry(kernel_api, task.task_id, None, None, False)
    with pytest.raises(Conflict, match="only a FAILED task"):
        await repair.retry(kernel_api, task.task_id, None, None, False)
    with pytest.raises(NotFound):
        await repair.retry(kernel_api, task.task_id, "why", {"amount": 1}, False)
    with pytest.raises(NotFound):
        await kernel_api.as_tenant("globex", "user:eve").retry_incident(task.task_id)


async def test_a_variable_is_set_where_the_task_sees_it(kernel_api: Kernel, start: Start) -> None:
    inside = scope(
        "startEvent i, userTask a, exclusiveGateway x, endEvent f g", "i -> a -> x, x -> f [ok], x -> g [!ok]"
    )
    own = extensions('<zeebe:ioMapping><zeebe:input source="=1" target="ok"/></zeebe:ioMapping>')
    instance = await start(
        unique(scope("startEvent s, subProcess p1, endEvent e", "s -> p1 -> e", {"p1": own + inside}))
    )
    await submit(kernel_api, instance, "a")
    incident = await the_incident(kernel_api)
    assert (incident.kind, incident.activity_id) == (IncidentKind.TASK, "a")
    await repair.retry(kernel_api, incident.incident_id, "true or false", {"ok": True}, False)
    assert "ok" not in (await instance_of(kernel_api, instance)).variables
    await submit(kernel_api, instance, "a")
    assert (await instance_of(kernel_api, instance)).status == ProcessStatus.COMPLETED


CATCH = scope(
    "startEvent s, intermediateCatchEvent m, userTask a, endEvent e",
    "s -> m -> a -> e",
    {"m": mapped("output", "=missing", "x") + message()},
)


async def test_an_event_that_an_instance_cannot_take_is_an_incident_and_is_retried_with_what_was_missing(
    kernel_api: Kernel, start: Start
) -> None:
    instance = await start(unique(CATCH), order="1")
    await kernel_api.publish_message("paid", "1", {}, 60, "bob")
    await work_off_arrivals(kernel_api)
    incident = await the_incident(kernel_api)
    assert (incident.kind, incident.proc_inst_id, incident.activity_id, incident.name) == (
        "event",
        instance,
        "m",
        "paid",
    )
    assert incident.error is not None and "the mapping to 'x' failed" in incident.error
    with pytest.raises(InvalidInput, match="no journal"):
        await repair.retry(kernel_api, incident.incident_id, "why", None, True)
    await repair.retry(kernel_api, incident.incident_id, "was forgotten", {"missing": 7}, False)
    assert await work_off_arrivals(kernel_api) == 1
    assert await kernel_api.find_incidents() == []
    assert (await instance_of(kernel_api, instance)).variables["x"] == 7
    assert await open_tasks(kernel_api, instance) == ["a"]


async def test_an_event_that_is_discarded_lets_the_instance_go_on_waiting(kernel_api: Kernel, start: Start) -> None:
    instance = await start(unique(CATCH), order="1")
    await kernel_api.publish_message("paid", "1", {}, 60, "bob")
    await work_off_arrivals(kernel_api)
    incident = await the_incident(kernel_api)
    await kernel_api.discard_incident(incident.incident_id, "paid twice")
    assert (await instance_of(kernel_api, instance)).status == ProcessStatus.RUNNING
    [event] = await kernel_api.find_events(instance, event_type="INCIDENT_DISCARDED")
    assert (event.message, event.actor) == ("paid twice", "user:ann@acme.test")
    assert (await kernel_api.publish_message("paid", "1", {}, 60, "bob")).status == "correlated"


async def test_an_event_that_is_no_longer_waited_for_is_no_incident(
    kernel_api: Kernel, start: Start, set_clock: Any
) -> None:
    late = boundary("t", "a", mapped("output", "=missing", "x") + timer())
    model = scope("startEvent s, userTask a late b, endEvent e", "s -> a -> b -> e, t -> late -> e")
    instance = await start(unique(model, late))
    set_clock(301)
    await work_off_arrivals(kernel_api)
    assert (await the_incident(kernel_api)).kind == "event"
    await submit(kernel_api, instance, "a")
    assert await kernel_api.find_incidents() == []
    standing = await instance_of(kernel_api, instance)
    assert (standing.status, standing.error) == (ProcessStatus.RUNNING, None)


STARTER = '<bpmn:startEvent id="s">{}</bpmn:startEvent>' + scope("userTask a, endEvent e", "s -> a -> e")


async def test_an_event_that_cannot_start_an_instance_is_an_incident_until_a_mended_version_takes_it(
    kernel_api: Kernel, owner: psycopg.Connection
) -> None:
    broken = unique(STARTER.format(mapped("output", "=amount * 2", "x") + message("asked")))
    await deploy(kernel_api, broken)
    await kernel_api.publish_message("asked", "", {"sum": 4}, 60, "bob")
    await work_off_arrivals(kernel_api)
    incident = await the_incident(kernel_api)
    assert (incident.kind, incident.proc_inst_id, incident.activity_id) == ("start", None, "s")
    owner.execute("select kernel.set_clock('2 hours')")
    await deploy(kernel_api, broken.replace(b"=amount * 2", b"=sum * 2"))
    await repair.retry(kernel_api, incident.incident_id, None, None, False)
    assert await work_off_arrivals(kernel_api) == 1
    assert await kernel_api.find_incidents() == []
    [instance] = await kernel_api.find_instances()
    assert (await instance_of(kernel_api, instance.id)).variables["x"] == 8


async def test_a_start_is_retried_with_changed_variables(kernel_api: Kernel) -> None:
    await deploy(kernel_api, unique(STARTER.format(mapped("output", "=amount * 2", "x") + signal())))
    await kernel_api.publish_signal("stop", {"sum": 4}, "bob")
    await work_off_arrivals(kernel_api)
    await repair.retry(kernel_api, (await the_incident(kernel_api)).incident_id, "misnamed", {"amount": 5}, False)
    await work_off_arrivals(kernel_api)
    [instance] = await kernel_api.find_instances()
    standing: Instance = await instance_of(kernel_api, instance.id)
    assert standing.variables["x"] == 10


async def test_a_start_whose_start_event_is_gone_can_only_be_discarded(kernel_api: Kernel) -> None:
    broken = unique(STARTER.format(mapped("output", "=amount * 2", "x") + signal()))
    await deploy(kernel_api, broken)
    await kernel_api.publish_signal("stop", {}, "bob")
    await work_off_arrivals(kernel_api)
    incident = await the_incident(kernel_api)
    await deploy(kernel_api, broken.replace(b's_stop"', b's_go"', 1))
    with pytest.raises(Conflict, match="no start event"):
        await repair.retry(kernel_api, incident.incident_id, None, None, False)
    await kernel_api.discard_incident(incident.incident_id, "renamed")
    assert await kernel_api.find_incidents() == []


async def test_a_task_that_was_cancelled_alone_is_an_incident_of_its_instance(kernel_api: Kernel, start: Start) -> None:
    instance = await start(unique(scope("startEvent s, userTask a, endEvent e", "s -> a -> e")))
    [task] = await kernel_api.find_tasks(instance)
    await kernel_api.cancel_task(task.task_id, "not now")
    incident = await the_incident(kernel_api)
    assert (incident.kind, incident.incident_id) == (IncidentKind.CANCELLED_TASK, task.task_id)
    with pytest.raises(Conflict, match="cannot go on without it"):
        await kernel_api.discard_incident(task.task_id, "no")
    await repair.retry(kernel_api, incident.incident_id, None, None, False)
    assert await open_tasks(kernel_api, instance) == ["a"]
    assert await kernel_api.find_incidents() == []


async def test_what_steps_were_computed_from_is_kept(
    kernel_api: Kernel, start: Start, owner: psycopg.Connection
) -> None:
    await start(unique(CATCH.replace(mapped("output", "=missing", "x"), "")), order="1")
    await kernel_api.publish_message("paid", "1", {"sum": 3}, 60, "bob")
    await work_off_arrivals(kernel_api)
    kept = [given for (given,) in owner.execute("select given from step_input order by revision").fetchall()]
    assert kept[0] == {"kind": "start", "variables": {"order": "1"}, "event": None, "payload": None}
    assert (kept[1]["kind"], kept[1]["element"], kept[1]["payload"]) == ("event", "m", {"sum": 3})
