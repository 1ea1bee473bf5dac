"""Who is told of what, and which ways it takes: a row for the person and a row in the outbox for each way."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fixture_types import Rows, SetClock, StartInstance, StartPod
from instance_steps import agent_task, person_task, step
from psycopg.types.json import Jsonb

from kernel.errors import InvalidInput, NotFound
from kernel.functions import Kernel
from kernel.notification_models import NotificationType, QuietTime

ASSIGNED, INCIDENT = NotificationType.TASK_ASSIGNED, NotificationType.INCIDENT
ALWAYS_QUIET = QuietTime(begin="00:01", end="00:00", time_zone="UTC")
WAYS = (
    "select channel, destination, payload, task_id, next_attempt_at > kernel.now() as waits from outbox order by 1, 2"
)


async def test_without_any_choice_nothing_but_the_row_is_written(start_instance: StartInstance, rows: Rows) -> None:
    await start_instance(person_task())
    assert rows("select user_id, type from notifications") == [{"user_id": "bob@acme.test", "type": "TASK_ASSIGNED"}]
    assert rows(WAYS) == []


async def test_each_way_that_is_wanted_is_a_row_in_the_outbox_of_the_same_transaction(
    kernel_api: Kernel, start_instance: StartInstance, rows: Rows
) -> None:
    await kernel_api.save_preferences("Bob@acme.test", {ASSIGNED: ["email", "fcm"]}, None, None)
    phone = await kernel_api.save_device("bob@ACME.test", "token-1", "android")
    hook = await kernel_api.create_webhook("https://example.org/in", "", [ASSIGNED], "whsec_c2VjcmV0")
    await kernel_api.create_webhook("https://example.org/other", "", [INCIDENT], "whsec_c2VjcmV0")
    await start_instance(person_task(assignee="BOB@acme.test"))
    [notification] = await kernel_api.find_notifications("bob@acme.test")
    ways = rows(WAYS)
    assert [(w["channel"], w["destination"]) for w in ways] == [
        ("email", "bob@acme.test"),
        ("webhook", str(hook.endpoint_id)),
        ("fcm", str(phone.device_id)),
    ]
    for way in ways:
        assert way["payload"]["type"] == "TASK_ASSIGNED" and not way["waits"]
        assert way["payload"]["data"]["notify_id"] == notification.notify_id
        assert way["task_id"] == notification.task_id


async def test_the_tenants_choice_holds_for_those_who_made_none(
    kernel_api: Kernel, start_instance: StartInstance, rows: Rows
) -> None:
    await kernel_api.save_preferences("*", {ASSIGNED: ["email"]}, None, None)
    await kernel_api.save_preferences("cas@acme.test", {ASSIGNED: []}, None, None)
    await start_instance(person_task("a"), person_task("b", assignee="cas@acme.test"))
    assert [row["destination"] for row in rows(WAYS)] == ["bob@acme.test"]
    assert (await kernel_api.get_preferences("dan@acme.test")).channels[ASSIGNED] == ["email"]
    assert (await kernel_api.get_preferences("dan@acme.test")).channels[INCIDENT] == ["fcm"]


async def test_a_group_is_written_to_where_it_has_an_address(
    kernel_api: Kernel, start_instance: StartInstance, rows: Rows
) -> None:
    await kernel_api.save_preferences("*", {ASSIGNED: ["email"]}, None, None)
    await kernel_api.save_preferences("group:support", {}, None, "support@acme.test")
    await start_instance(person_task(assignee=None, candidate_groups=["support", "sales"]))
    assert [row["destination"] for row in rows(WAYS)] == ["support@acme.test"]
    assert len(await kernel_api.find_notifications()) == 2


async def test_in_quiet_time_mails_and_pushes_wait_and_webhooks_do_not(
    kernel_api: Kernel, start_instance: StartInstance, rows: Rows, set_clock: SetClock
) -> None:
    now = set_clock(0)
    set_clock((now.replace(hour=12, minute=0) - now).total_seconds())
    await kernel_api.save_preferences("bob@acme.test", {ASSIGNED: ["email"]}, ALWAYS_QUIET, None)
    await kernel_api.create_webhook("https://example.org/in", "", [], "whsec_c2VjcmV0")
    await start_instance(person_task())
    assert {row["channel"]: row["waits"] for row in rows(WAYS)} == {"email": True, "webhook": False}


@pytest.mark.parametrize(
    ("begin", "end", "zone", "now", "until"),
    [
        ("22:00", "07:00", "UTC", "2026-11-20T21:59:59", "2026-11-20T21:59:59"),
        ("22:00", "07:00", "UTC", "2026-11-20T22:00:00", "2026-11-21T07:00:00"),
        ("22:00", "07:00", "UTC", "2026-11-21T06:59:00", "2026-11-21T07:00:00"),
        ("22:00", "07:00", "UTC", "2026-11-21T07:00:00", "2026-11-21T07:00:00"),
        ("12:00", "13:00", "UTC", "2026-11-20T12:30:00", "2026-11-20T13:00:00"),
        ("12:00", "13:00", "UTC", "2026-11-20T13:00:00", "2026-11-20T13:00:00"),
        ("22:00", "07:00", "Asia/Seoul", "2026-11-20T14:00:00", "2026-11-20T22:00:00"),
    ],
)
def test_the_end_of_a_quiet_time(
    owner: psycopg.Connection, begin: str, end: str, zone: str, now: str, until: str
) -> None:
    quiet = Jsonb({"begin": begin, "end": end, "time_zone": zone})
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert owner.execute("select kernel.quiet_until(%s, %s)", [quiet, at]).fetchone() == (
        datetime.fromisoformat(until).replace(tzinfo=UTC),
    )


async def test_a_time_zone_that_is_none_is_refused(kernel_api: Kernel) -> None:
    quiet = QuietTime(begin="22:00", end="07:00", time_zone="Moon/Crater")
    with pytest.raises(InvalidInput, match="Moon/Crater"):
        await kernel_api.save_preferences("bob@acme.test", {}, quiet, None)


async def test_a_failed_task_and_an_ended_process_tell_whoever_began_it(
    kernel_api: Kernel, start_instance: StartInstance, start_pod: StartPod
) -> None:
    pod = await start_pod()
    for end in ({"kind": "failed", "reason": "no", "retryable": False}, {"step": step(1, ended=True), "output": {}}):
        await start_instance(agent_task())
        await pod.end(await pod.claim(), **end)
    assert [n.type for n in await kernel_api.find_notifications("ann@acme.test")] == ["PROCESS_DONE", "INCIDENT"]


async def test_reading_and_marking(kernel_api: Kernel, start_instance: StartInstance) -> None:
    for name in "abc":
        await start_instance(person_task(name))
    newest, middle, oldest = await kernel_api.find_notifications("bob@acme.test")
    assert [n.message for n in (oldest, middle, newest)] == ["a", "b", "c"]
    assert await kernel_api.find_notifications("bob@acme.test", before=middle.notify_id) == [oldest]
    assert await kernel_api.find_notifications(instance_id=middle.proc_inst_id) == [middle]
    assert await kernel_api.find_notifications("bob@acme.test", kind=INCIDENT) == []
    assert await kernel_api.follow_notifications(oldest.notify_id, "bob@acme.test") == [middle, newest]
    assert (await kernel_api.mark_notification(newest.notify_id, "bob@acme.test", True)).read_flag
    assert await kernel_api.find_notifications("bob@acme.test", unread=True) == [middle, oldest]
    assert await kernel_api.mark_notifications("bob@acme.test", middle.notify_id) == 2
    assert await kernel_api.mark_notifications("bob@acme.test", newest.notify_id) == 0
    assert not (await kernel_api.mark_notification(newest.notify_id, None, False)).read_flag
    for kernel, person in ((kernel_api, "cas@acme.test"), (kernel_api.as_tenant("globex", "user:gil"), None)):
        with pytest.raises(NotFound):
            await kernel.mark_notification(newest.notify_id, person, True)


async def test_a_device_belongs_to_who_registered_it_last_and_a_person_has_twenty(kernel_api: Kernel) -> None:
    first = await kernel_api.save_device("ann@acme.test", "shared", "web")
    taken = await kernel_api.save_device("bob@acme.test", "shared", "ios")
    assert taken.device_id == first.device_id and await kernel_api.find_devices("ann@acme.test") == []
    for number in range(21):
        await kernel_api.save_device("bob@acme.test", f"token-{number}", "android")
    devices = await kernel_api.find_devices("bob@acme.test")
    assert len(devices) == 20 and taken.device_id not in {d.device_id for d in devices}
    with pytest.raises(NotFound):
        await kernel_api.delete_device(devices[0].device_id, "ann@acme.test")
    await kernel_api.delete_device(devices[0].device_id, "bob@acme.test")
    assert len(await kernel_api.find_devices("bob@acme.test")) == 19


async def test_who_is_given_a_task_is_told_unless_they_took_it(
    kernel_api: Kernel, start_instance: StartInstance, rows: Rows
) -> None:
    await start_instance(person_task(candidate_groups=["support"]))
    [task] = await kernel_api.find_tasks()
    await kernel_api.reassign_task(task.task_id, "Cas@acme.test", None)
    boss = kernel_api.as_caller({"tenant_id": "acme", "actor": "user:dan@acme.test", "person": "dan@acme.test"})
    await boss.reassign_task(task.task_id, "dan@acme.test", None)
    await boss.reassign_task(task.task_id, None, ["sales"])
    told = rows("select user_id, type from notifications order by notify_id offset 2")
    assert [(row["user_id"], row["type"]) for row in told] == [
        ("cas@acme.test", "TASK_REASSIGNED"),
        ("group:sales", "TASK_ASSIGNED"),
    ]


async def test_people_are_reminded_once_of_each_time_that_is_near_or_past(
    kernel_api: Kernel, deliverer: Kernel, rows: Rows, set_clock: SetClock
) -> None:
    now, hour = set_clock(0), 3600
    for name, hours in (("far", 72), ("near", 40), ("soon", 4)):
        due = now + timedelta(hours=hours)
        task = {"activity_id": name, "assignee": "bob@acme.test", "candidate_groups": ["support"], "due_at": str(due)}
        await kernel_api.enqueue_tasks([task])
    told = "select type, message from notifications where type <> 'TASK_ASSIGNED' order by notify_id offset %s"
    expected: list[tuple[str, str]] = []
    for hours, reminded in (
        (1, []),
        (3, [("TASK_DUE_SOON", "soon")]),
        (21, [("TASK_OVERDUE", "soon"), ("TASK_DUE_SOON", "near")]),
        (41, [("TASK_OVERDUE", "near")]),
        (49, [("TASK_DUE_SOON", "far")]),
    ):
        set_clock(hours * hour)
        assert await deliverer.remind_people() == len(reminded), hours
        assert await deliverer.remind_people() == 0
        assert [(row["type"], row["message"]) for row in rows(told, len(expected))] == reminded, hours
        expected += reminded
    assert {row["user_id"] for row in rows("select user_id from notifications where type = 'TASK_OVERDUE'")} == {
        "bob@acme.test"
    }
    near = next(task for task in await kernel_api.find_tasks() if task.name == "near")
    await kernel_api.change_task(near.task_id, {"due_at": str(now + timedelta(hours=60))})
    assert await deliverer.remind_people() == 1
    for task in await kernel_api.find_tasks():
        await kernel_api.submit_task(task.task_id, {})
    set_clock(100 * hour)
    assert await deliverer.remind_people() == 0
    assert rows("select from task_reminder") == []
