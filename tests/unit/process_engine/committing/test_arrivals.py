"""Events against a real database: they arrive once, survive whoever works them off, and reach the right process."""

import psycopg
import pytest
from bpmn_writing import extensions, scope
from engine_in_database import SetClock, Start, instance_of, open_tasks, submit, unique
from event_writing import boundary, error, event_subprocess, file, mapped, message, signal, timer

from kernel.errors import InstanceChanged
from kernel.functions import Kernel
from kernel.models import ProcessStatus
from process_engine.committing.arrivals import CLAIM_SECONDS, step_or_incident, work_off_arrivals
from process_engine.committing.deployment import deploy

TIMED = scope("startEvent s, userTask a late, endEvent e", "s -> a -> e, t -> late -> e")
CATCH = scope("startEvent s, intermediateCatchEvent m, userTask a, endEvent e", "s -> m -> a -> e", {"m": message()})


async def test_a_timer_fires_when_it_is_due_and_once(
    kernel_api: Kernel, kernel_pod: Kernel, start: Start, set_clock: SetClock
) -> None:
    instance = await start(unique(TIMED, boundary("t", "a", timer())))
    set_clock(299)
    assert await work_off_arrivals(kernel_pod) == 0
    set_clock(301)
    assert await work_off_arrivals(kernel_pod) == 1
    assert await open_tasks(kernel_api, instance) == ["late"]
    assert await work_off_arrivals(kernel_api) == 0
    await submit(kernel_api, instance, "late")
    assert (await instance_of(kernel_api, instance)).status == ProcessStatus.COMPLETED
    received = [e for e in await kernel_api.find_events(instance) if e.event_type == "EVENT_RECEIVED"]
    assert [e.data for e in received] == [{"kind": "timer", "element_id": "t"}]


async def test_who_dies_with_an_event_in_hand_loses_nothing(
    kernel_api: Kernel, kernel_pod: Kernel, start: Start, set_clock: SetClock
) -> None:
    instance = await start(unique(TIMED, boundary("t", "a", timer())))
    set_clock(301)
    assert len(await kernel_pod.take_arrivals(10, CLAIM_SECONDS)) == 1
    assert await work_off_arrivals(kernel_api) == 0, "it is in somebody's hand"
    set_clock(302 + CLAIM_SECONDS)
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, instance) == ["late"]


async def test_an_event_that_two_work_off_happens_once(
    kernel_api: Kernel, kernel_pod: Kernel, start: Start, set_clock: SetClock
) -> None:
    await start(unique(TIMED, boundary("t", "a", timer("R/PT5M", "timeCycle"), interrupting=False)))
    set_clock(301)
    (arrival,) = await kernel_pod.take_arrivals(10, 0)
    assert await work_off_arrivals(kernel_api) == 1
    tenant = kernel_pod.as_tenant("acme", "kernel")
    assert await tenant.settle_arrival(arrival.arrival_id, None) == "gone"


async def test_a_task_that_is_done_meanwhile_makes_the_timer_void(
    kernel_api: Kernel, kernel_pod: Kernel, start: Start, set_clock: SetClock
) -> None:
    instance = await start(unique(TIMED, boundary("t", "a", timer())))
    set_clock(301)
    (arrival,) = await kernel_pod.take_arrivals(10, CLAIM_SECONDS)
    await submit(kernel_api, instance, "a")
    assert await kernel_pod.as_tenant("acme", "kernel").settle_arrival(arrival.arrival_id, None) == "void"
    assert (await instance_of(kernel_api, instance)).status == ProcessStatus.COMPLETED


async def test_a_cycle_fires_as_often_as_it_says_and_missed_times_once(
    kernel_api: Kernel, start: Start, set_clock: SetClock
) -> None:
    cycle = boundary("t", "a", timer("R3/PT1M", "timeCycle"), interrupting=False)
    instance = await start(unique(TIMED, cycle))
    for seconds, late in ((59, 0), (61, 1), (400, 2), (459, 2), (461, 3), (9000, 3)):
        set_clock(seconds)
        await work_off_arrivals(kernel_api)
        assert await open_tasks(kernel_api, instance) == ["a", *["late"] * late]


async def test_a_cancelled_instance_waits_for_nothing(
    kernel_api: Kernel, start: Start, set_clock: SetClock, owner: psycopg.Connection
) -> None:
    instance = await start(unique(TIMED, boundary("t", "a", timer())))
    await kernel_api.cancel_instance(instance, "no longer wanted")
    set_clock(301)
    assert await work_off_arrivals(kernel_api) == 0
    assert owner.execute("select count(*) from public.event_wait").fetchone() == (0,)


async def test_a_timer_starts_instances_of_the_newest_version(kernel_api: Kernel, set_clock: SetClock) -> None:
    start_event = f'<bpmn:startEvent id="daily">{timer("R/P1D", "timeCycle")}</bpmn:startEvent>'
    for task in ("old", "new"):
        await deploy(kernel_api, file(start_event, scope(f"userTask {task}, endEvent e", f"daily -> {task} -> e")))
    set_clock(86_401)
    assert await work_off_arrivals(kernel_api) == 1
    (started,) = await kernel_api.find_instances()
    assert (started.process_definition_version, started.initiator) == (2, "timer")
    assert await open_tasks(kernel_api, started.id) == ["new"]
    set_clock(2 * 86_401)
    assert await work_off_arrivals(kernel_api) == 1


async def test_a_message_reaches_the_instance_with_its_key_only(kernel_api: Kernel, start: Start) -> None:
    first, second = await start(unique(CATCH), order="1"), await start(unique(CATCH), order="2")
    sent = await kernel_api.publish_message("paid", "2", {"amount": 7}, 0, "bob@acme.test")
    assert (sent.status, sent.proc_inst_id) == ("correlated", second)
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, first) == []
    assert await open_tasks(kernel_api, second) == ["a"]
    assert (await instance_of(kernel_api, second)).variables == {"order": "2", "amount": 7}


async def test_a_message_reaches_no_other_tenant(kernel_api: Kernel, start: Start) -> None:
    await start(unique(CATCH), order="1")
    globex = kernel_api.as_tenant("globex", "user:eve@globex.test")
    assert (await globex.publish_message("paid", "1", {}, 60, "eve")).status == "kept"


async def test_a_message_that_comes_early_is_kept_until_it_expires(
    kernel_api: Kernel, start: Start, set_clock: SetClock
) -> None:
    for key in ("1", "2"):
        assert (await kernel_api.publish_message("paid", key, {}, 60, "bob")).status == "kept"
    first = await start(unique(CATCH), order="1")
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, first) == ["a"]
    set_clock(61)
    second = await start(unique(CATCH), order="2")
    assert await work_off_arrivals(kernel_api) == 0
    assert await open_tasks(kernel_api, second) == []


async def test_a_message_whose_receiver_goes_away_finds_another(kernel_api: Kernel, start: Start) -> None:
    first = await start(unique(CATCH), order="1")
    assert (await kernel_api.publish_message("paid", "1", {}, 60, "bob")).proc_inst_id == first
    second = await start(unique(CATCH), order="1")
    await kernel_api.cancel_instance(first, "gone")
    while await work_off_arrivals(kernel_api):
        pass
    assert await open_tasks(kernel_api, second) == ["a"]


async def test_two_messages_do_not_both_go_to_a_wait_for_one(kernel_api: Kernel, start: Start) -> None:
    first, second = await start(unique(CATCH), order="1"), await start(unique(CATCH), order="1")
    sent = [(await kernel_api.publish_message("paid", "1", {}, 60, "bob")).proc_inst_id for _ in range(2)]
    assert sent == [first, second]
    assert (await kernel_api.publish_message("paid", "1", {}, 60, "bob")).status == "kept"


async def test_a_message_starts_one_instance_and_brings_its_variables(kernel_api: Kernel) -> None:
    start_event = f'<bpmn:startEvent id="m">{message("asked")}</bpmn:startEvent>'
    await deploy(kernel_api, unique(start_event, scope("userTask a, endEvent e", "m -> a -> e")))
    sent = await kernel_api.publish_message("asked", "", {"n": 1}, 0, "bob@acme.test")
    assert (sent.status, sent.proc_inst_id) == ("starting", None)
    assert await work_off_arrivals(kernel_api) == 1
    (started,) = await kernel_api.find_instances()
    assert started.initiator == "bob@acme.test"
    assert (await instance_of(kernel_api, started.id)).variables == {"initiator": "bob@acme.test", "n": 1}


async def test_one_instance_sends_a_message_to_another(kernel_api: Kernel, start: Start) -> None:
    receiver = await start(unique(CATCH), order="9")
    content = mapped("input", "=amount", "paid_amount") + message()
    sender = scope("startEvent s, intermediateThrowEvent t, endEvent e", "s -> t -> e", {"t": content})
    await start(unique(sender), order=9, amount=5)
    assert await work_off_arrivals(kernel_api) == 1
    assert (await instance_of(kernel_api, receiver)).variables == {"order": "9", "paid_amount": 5}


async def test_a_signal_reaches_all_who_wait_now(kernel_api: Kernel, start: Start) -> None:
    model = unique(CATCH.replace(message(), signal()))
    instances = [await start(model) for _ in range(3)]
    sent = await kernel_api.publish_signal("stop", {"why": "fire"}, "bob")
    assert sent.reached == 3
    late = await start(model)
    assert await work_off_arrivals(kernel_api) == 3
    for instance in instances:
        assert await open_tasks(kernel_api, instance) == ["a"]
        assert (await instance_of(kernel_api, instance)).variables == {"why": "fire"}
    assert await open_tasks(kernel_api, late) == []


async def test_a_signal_is_not_caught_by_what_comes_after_it_in_the_same_instance(
    kernel_api: Kernel, start: Start
) -> None:
    model = scope(
        "startEvent s, parallelGateway g, intermediateCatchEvent beside after, intermediateThrowEvent t, userTask a b,"
        "endEvent e",
        "s -> g, g -> beside -> a -> e, g -> t -> after -> b -> e",
        {"beside": signal(), "after": signal(), "t": signal()},
    )
    instance = await start(unique(model))
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, instance) == ["a"]


async def test_an_event_that_the_process_cannot_take_is_an_incident(
    kernel_api: Kernel, start: Start, owner: psycopg.Connection
) -> None:
    broken = mapped("output", "=missing", "x") + message()
    instance = await start(unique(CATCH.replace(message(), broken)), order="1")
    await kernel_api.publish_message("paid", "1", {}, 60, "bob")
    assert await work_off_arrivals(kernel_api) == 1
    assert await work_off_arrivals(kernel_api) == 0
    standing = await instance_of(kernel_api, instance)
    assert standing.status == ProcessStatus.ERROR
    assert standing.error is not None
    assert standing.error.startswith("m: m: the mapping to 'x' failed")


async def test_an_idempotency_key_sends_a_message_once(kernel_api: Kernel, start: Start) -> None:
    await start(unique(CATCH), order="1")
    await start(unique(CATCH), order="1")
    sent = [await kernel_api.publish_message("paid", "1", {}, 60, "bob", "key-1", "print") for _ in range(2)]
    assert [answer.replayed for answer in sent] == [False, True]
    assert sent[0].message_id == sent[1].message_id
    assert sent[0].proc_inst_id == sent[1].proc_inst_id
    assert await work_off_arrivals(kernel_api) == 1


async def test_a_person_throws_an_error_that_an_event_sub_process_catches(kernel_api: Kernel, start: Start) -> None:
    model = unique(scope("startEvent s, userTask a, endEvent e", "s -> a -> e"), event_subprocess("esp", error()))
    instance = await start(model)
    await submit(kernel_api, instance, "a", bpmn_error={"code": "EMPTY", "variables": {"sku": "A"}})
    assert await open_tasks(kernel_api, instance) == ["handle"]
    assert (await instance_of(kernel_api, instance)).variables == {"sku": "A"}


async def test_an_event_that_was_an_incident_is_taken_when_it_is_retried(kernel_api: Kernel, start: Start) -> None:
    catch = mapped("output", "=missing", "x") + message()
    model = scope(
        "startEvent s, parallelGateway g, intermediateCatchEvent m, userTask a b, endEvent e",
        "s -> g, g -> m -> a -> e, g -> b -> e",
        {"m": catch},
    )
    instance = await start(unique(model), order="1")
    await kernel_api.publish_message("paid", "1", {}, 60, "bob")
    await work_off_arrivals(kernel_api)
    await submit(kernel_api, instance, "b", missing=7)
    assert (await instance_of(kernel_api, instance)).status == ProcessStatus.ERROR
    assert await kernel_api.retry_instance(instance) == []
    assert await work_off_arrivals(kernel_api) == 1
    standing = await instance_of(kernel_api, instance)
    assert (standing.status, standing.error, standing.variables["x"]) == (ProcessStatus.RUNNING, None, 7)
    assert await open_tasks(kernel_api, instance) == ["a"]


async def test_an_output_that_throws_an_error_need_not_fit_the_form(kernel_api: Kernel, start: Start) -> None:
    form = extensions('<zeebe:userTaskForm id="f">{"type": "object", "required": ["name"]}</zeebe:userTaskForm>')
    with_form = extensions('<zeebe:formDefinition formId="f"/>')
    flows = "s -> a -> e, b -> late -> e"
    model = scope("startEvent s, userTask a late, endEvent e", flows, {"a": with_form})
    instance = await start(unique(form, model, boundary("b", "a", error())))
    await submit(kernel_api, instance, "a", bpmn_error={"code": "EMPTY"})
    assert await open_tasks(kernel_api, instance) == ["late"]


async def test_two_events_for_one_revision_are_both_taken_one_after_the_other(
    kernel_api: Kernel, kernel_pod: Kernel, start: Start
) -> None:
    model = scope(
        "startEvent s, parallelGateway g, intermediateCatchEvent m n, userTask a b, endEvent e",
        "s -> g, g -> m -> a -> e, g -> n -> b -> e",
        {"m": message(), "n": message("sent")},
    )
    instance = await start(unique(model), order="1")
    for name in ("paid", "sent"):
        await kernel_api.publish_message(name, "1", {}, 60, "bob")
    first, second = await kernel_pod.take_arrivals(10, CLAIM_SECONDS)
    kernel = kernel_pod.as_tenant("acme", "kernel")
    steps = [(await step_or_incident(kernel, arrival))[0] for arrival in (first, second)]
    assert await kernel.settle_arrival(first.arrival_id, steps[0]) == "applied"
    with pytest.raises(InstanceChanged):
        await kernel.settle_arrival(second.arrival_id, steps[1])
    again, _ = await step_or_incident(kernel, second)
    assert await kernel.settle_arrival(second.arrival_id, again) == "applied"
    assert await open_tasks(kernel_api, instance) == ["a", "b"]
