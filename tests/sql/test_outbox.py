"""The outbox: leases with fencing tokens, backoff, Retry-After, death, upkeep, and room for every tenant."""

import psycopg
import pytest
from fixture_types import Rows, SetClock
from outbox_rows import put

from kernel.errors import Conflict, InvalidInput, LeaseLost, NotFound
from kernel.functions import Kernel
from kernel.notification_models import ClaimedDelivery, DeliveryOutcome, DeliveryStatus, OutboxChannel

MESSAGE = [OutboxChannel.MESSAGE]
DAY = 86_400


async def claim(deliverer: Kernel, limit: int = 10, per_tenant: int = 10) -> list[ClaimedDelivery]:
    return await deliverer.claim_deliveries(MESSAGE, limit, per_tenant, 60)


async def claim_one(deliverer: Kernel) -> ClaimedDelivery:
    [delivery] = await claim(deliverer)
    return delivery


async def test_a_claimed_delivery_is_nobody_elses_until_its_lease_has_run_out(
    deliverer: Kernel, owner: psycopg.Connection, set_clock: SetClock
) -> None:
    put(owner)
    first = await claim_one(deliverer)
    assert (first.attempts, first.payload["data"], first.target) == (1, {"message": "it broke"}, None)
    assert await claim(deliverer) == []
    set_clock(61)
    second = await claim_one(deliverer)
    assert (second.idempotency_key, second.attempts) == (first.idempotency_key, 2)
    assert second.fencing_token > first.fencing_token
    with pytest.raises(LeaseLost):
        await deliverer.finish_delivery(first, DeliveryOutcome.DELIVERED)
    assert await deliverer.finish_delivery(second, DeliveryOutcome.DELIVERED) == "DELIVERED"
    with pytest.raises(LeaseLost):
        await deliverer.finish_delivery(second, DeliveryOutcome.DELIVERED)


async def test_only_the_channels_asked_for_are_claimed(deliverer: Kernel, owner: psycopg.Connection) -> None:
    put(owner, channel="email", destination="ann@acme.test")
    assert await claim(deliverer) == []
    both = [OutboxChannel.MESSAGE, OutboxChannel.EMAIL]
    assert [d.channel for d in await deliverer.claim_deliveries(both, 5, 5, 60)] == ["email"]


async def test_an_idempotency_key_stands_for_one_delivery_of_a_tenant(owner: psycopg.Connection, rows: Rows) -> None:
    put(owner, 2, key="once")
    put(owner, 1, key="once", tenant="globex")
    assert [row["tenant_id"] for row in rows("select tenant_id from outbox order by 1")] == ["acme", "globex"]


async def test_what_is_rolled_back_was_never_said(owner: psycopg.Connection, rows: Rows) -> None:
    with owner.transaction(force_rollback=True):
        put(owner)
    assert rows("select from outbox") == []


async def test_a_retry_waits_longer_each_time_and_ends_dead_with_an_event(
    deliverer: Kernel, owner: psycopg.Connection, rows: Rows
) -> None:
    put(owner)
    waits = []
    while True:
        delivery = await claim_one(deliverer)
        status = await deliverer.finish_delivery(delivery, DeliveryOutcome.RETRY, "HTTP 500")
        if status == "DEAD":
            break
        [row] = rows("select extract(epoch from next_attempt_at - kernel.now())::float as wait from outbox")
        waits.append(row["wait"])
        owner.execute("update outbox set next_attempt_at = kernel.now()")
    for wait, expected in zip(waits, [min(5 * 3**n, 21_600) for n in range(13)], strict=True):
        assert expected - 1 < wait <= expected * 1.2
    [event] = rows("select message, data from events where event_type = 'DELIVERY_DEAD'")
    assert event["message"] == "gave up after 14 attempts: HTTP 500"
    assert event["data"]["attempts"] == 14 and event["data"]["channel"] == "message"


@pytest.mark.parametrize(("named", "kept"), [(120, 120), (0, 1), (30 * DAY, DAY)])
async def test_the_time_that_a_receiver_names_is_kept_within_a_day(
    deliverer: Kernel, owner: psycopg.Connection, rows: Rows, named: float, kept: float
) -> None:
    put(owner)
    await deliverer.finish_delivery(await claim_one(deliverer), DeliveryOutcome.RETRY, "HTTP 429", named)
    [row] = rows("select extract(epoch from next_attempt_at - kernel.now())::float as wait from outbox")
    assert kept - 1 < row["wait"] <= kept


async def test_a_delivery_that_is_handed_back_has_not_been_tried(deliverer: Kernel, owner: psycopg.Connection) -> None:
    put(owner)
    await deliverer.finish_delivery(await claim_one(deliverer), DeliveryOutcome.RELEASED)
    assert (await claim_one(deliverer)).attempts == 1


async def test_a_dead_delivery_can_be_sent_after_all(
    deliverer: Kernel, kernel_api: Kernel, owner: psycopg.Connection
) -> None:
    put(owner)
    delivery = await claim_one(deliverer)
    with pytest.raises(Conflict):
        await kernel_api.retry_delivery(delivery.outbox_id)
    await deliverer.finish_delivery(delivery, DeliveryOutcome.DEAD, "HTTP 404")
    [dead] = await kernel_api.find_deliveries(DeliveryStatus.DEAD)
    assert (dead.last_error, dead.attempts) == ("HTTP 404", 1)
    with pytest.raises(NotFound):
        await kernel_api.as_tenant("globex", "user:gil").retry_delivery(dead.outbox_id)
    await kernel_api.retry_delivery(dead.outbox_id)
    assert (await claim_one(deliverer)).attempts == 1


async def test_an_outcome_that_is_none_is_refused(deliverer: Kernel, owner: psycopg.Connection) -> None:
    put(owner)
    delivery = await claim_one(deliverer)
    with pytest.raises(InvalidInput, match="perhaps"):
        await deliverer.finish_delivery(delivery, "perhaps")  # type: ignore[arg-type]


async def test_a_tenant_with_many_leaves_room_for_the_others(deliverer: Kernel, owner: psycopg.Connection) -> None:
    put(owner, 20)
    assert len(await claim(deliverer, 10, per_tenant=4)) == 4
    put(owner, 2, tenant="globex")
    assert [d.tenant_id for d in await claim(deliverer, 10, per_tenant=4)] == ["globex"] * 2
    assert await claim(deliverer, 10, per_tenant=4) == []


async def test_a_claim_takes_no_more_than_it_may(deliverer: Kernel, owner: psycopg.Connection) -> None:
    put(owner, 5)
    put(owner, 5, tenant="globex")
    assert len(await claim(deliverer, 7, per_tenant=7)) == 7
    assert len(await claim(deliverer, 7, per_tenant=7)) == 3


async def test_upkeep_buries_what_is_too_old_and_what_its_deliverers_did_not_survive(
    deliverer: Kernel, owner: psycopg.Connection, rows: Rows, set_clock: SetClock
) -> None:
    put(owner, key="old", channel="email", destination="ann@acme.test")
    set_clock(2 * DAY)
    put(owner, key="deadly")
    owner.execute("update outbox set attempts = 13 where idempotency_key = 'deadly'")
    await claim_one(deliverer)
    assert await deliverer.tend_outbox() == (0, 0)
    set_clock(3 * DAY + 60)
    assert await deliverer.tend_outbox() == (2, 0)
    assert {
        row["idempotency_key"]: row["last_error"] for row in rows("select * from outbox where status = 'DEAD'")
    } == {
        "old": "not delivered within three days",
        "deadly": "the deliverer was lost in each of the last of 14 attempts",
    }
    assert len(rows("select from events where event_type = 'DELIVERY_DEAD'")) == 2


async def test_upkeep_deletes_what_ended_long_ago(
    deliverer: Kernel, owner: psycopg.Connection, rows: Rows, set_clock: SetClock
) -> None:
    put(owner, 2)
    delivered, dead = await claim(deliverer)
    await deliverer.finish_delivery(delivered, DeliveryOutcome.DELIVERED)
    await deliverer.finish_delivery(dead, DeliveryOutcome.DEAD, "no")
    for days, expected in ((6, (0, 0)), (8, (0, 1)), (29, (0, 0)), (31, (0, 1))):
        set_clock(days * DAY)
        assert await deliverer.tend_outbox() == expected, days
    assert rows("select from outbox") == []


async def test_the_gauges_count_each_channel(deliverer: Kernel, owner: psycopg.Connection) -> None:
    put(owner, 4)
    put(owner, 1, channel="email")
    first, second, third, _ = await claim(deliverer)
    await deliverer.finish_delivery(first, DeliveryOutcome.RETRY, "later")
    await deliverer.finish_delivery(second, DeliveryOutcome.DEAD, "never")
    await deliverer.finish_delivery(third, DeliveryOutcome.RELEASED)
    depths = {d.channel: (d.due, d.scheduled, d.sending, d.dead) for d in await deliverer.outbox_depths()}
    assert depths == {"email": (1, 0, 0, 0), "fcm": (0,) * 4, "message": (1, 1, 1, 1), "webhook": (0,) * 4}


async def test_a_claim_reads_by_its_index_however_much_is_finished(owner: psycopg.Connection) -> None:
    owner.execute("""insert into outbox (tenant_id, channel, destination, payload, idempotency_key, status, attempts,
            next_attempt_at, created_at, finished_at)
        select 'acme', 'message', '', '{}', n::text, 'DELIVERED', 1, now(), now(), now()
        from generate_series(1, 5000) n""")
    put(owner, 3)
    owner.execute("analyze outbox")
    before = "select pg_stat_get_xact_tuples_returned('outbox_open'::regclass)"
    with owner.transaction():
        claimed = owner.execute("""select * from claim_deliveries('["message"]', 10, 10, 60)""").fetchall()
        (read,) = owner.execute(before).fetchone() or (None,)
        (scanned,) = owner.execute("select pg_stat_get_xact_numscans('outbox'::regclass)").fetchone() or (None,)
    assert len(claimed) == 3 and scanned == 0 and read is not None and read < 50


async def test_the_outbox_wakes_its_listeners_but_not_for_each_row(
    database_url: str, owner: psycopg.Connection
) -> None:
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("listen fleet_outbox")
        put(owner, 1)
        put(owner, 20)
        woken = len(list(listener.notifies(timeout=0.2)))
    assert 1 <= woken < 10
