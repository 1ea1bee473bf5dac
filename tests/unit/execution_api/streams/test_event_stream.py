"""Events as server-sent events over a real server: in order, each once, none passed over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from fastapi import FastAPI
from followed_stream import Following
from places import Place

from execution_api.streams.event_horizon import EventHorizon
from kernel.migrate import create_api_key
from kernel.models import EventMarks

Ids = tuple[UUID, UUID]
INSERT = """insert into events (tenant_id, proc_inst_id, event_type, actor, message, timestamp)
    values (%s, %s, 'TASK_PROGRESS', 'pod:x', %s, now()) returning event_id"""


class FollowingEvents(Following):
    """The same, of events."""

    async def next(self) -> dict[str, Any]:
        event = await super().next()
        assert event["id"] == str(event["data"]["event_id"])
        assert "tenant_id" not in event["data"]
        return event

    async def take(self, number: int) -> list[str]:
        """The messages of the next events."""
        return [(await self.next())["data"]["message"] for _ in range(number)]


@asynccontextmanager
async def follow(url: str, key: str, path: str, **headers: str) -> AsyncIterator[FollowingEvents]:
    async with (
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": key, **headers}, timeout=30) as client,
        client.stream("GET", path) as answer,
    ):
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        yield FollowingEvents(answer)


def write(owner: psycopg.Connection, instance: UUID | None, *messages: str, tenant: str = "acme") -> list[int]:
    rows = [owner.execute(INSERT, [tenant, instance, message]).fetchone() for message in messages]
    return [row[0] for row in rows if row]


async def test_an_instance_is_followed_from_its_first_event_on(
    api_url: str, acme_key: str, started: Ids, client: httpx.AsyncClient, owner: psycopg.Connection
) -> None:
    instance, task = started
    async with follow(api_url, acme_key, f"/instances/{instance}/events/stream") as stream:
        assert [(await stream.next())["event"] for _ in range(2)] == ["INSTANCE_STARTED", "TASK_CREATED"]
        write(owner, uuid4(), "of another instance")
        await client.post(f"/tasks/{task}/submit", json={"output": {}})
        assert [(await stream.next())["event"] for _ in range(2)] == ["TASK_SUBMITTED", "INSTANCE_COMPLETED"]


async def test_who_comes_back_goes_on_behind_the_last_event(
    api_url: str, acme_key: str, started: Ids, owner: psycopg.Connection
) -> None:
    first, *_ = write(owner, started[0], "a", "b", "c")
    path = f"/instances/{started[0]}/events/stream"
    async with follow(api_url, acme_key, path, **{"Last-Event-ID": str(first)}) as stream:
        assert await stream.take(2) == ["b", "c"]
    async with follow(api_url, acme_key, f"{path}?after={first}") as stream:
        assert await stream.take(1) == ["b"]


async def test_a_tenant_is_followed_from_now_on_and_no_other(
    api_url: str, acme_key: str, place: Place, owner: psycopg.Connection
) -> None:
    write(owner, None, "before")
    async with (
        follow(api_url, acme_key, "/events/stream?after=0") as whole,
        follow(api_url, acme_key, "/events/stream") as mine,
        follow(api_url, create_api_key(place.url, "globex", "ci"), "/events/stream") as theirs,
    ):
        assert await whole.take(1) == ["before"]
        await until_told(owner)
        write(owner, None, "theirs", tenant="globex")
        write(owner, None, "mine")
        assert await theirs.take(1) == ["theirs"]
        assert await mine.take(1) == ["mine"]
        assert await whole.take(1) == ["mine"]


async def until_told(owner: psycopg.Connection) -> None:
    """Wait until a stream that follows from now on stands at the newest event."""
    await asyncio.sleep(0.3)
    assert owner.execute("select pg_sequence_last_value('kernel.events_wanted_ms')").fetchone() != (None,)


async def test_what_was_numbered_early_and_committed_late_comes_in_its_place(
    api_url: str, acme_key: str, place: Place, started: Ids, owner: psycopg.Connection
) -> None:
    path = f"/instances/{started[0]}/events/stream"
    with psycopg.connect(place.url) as slow:
        write(slow, started[0], "early number, late commit")
        write(owner, started[0], "late number, early commit")
        [(newest,)] = owner.execute("select max(event_id) from events").fetchall()
        async with follow(api_url, acme_key, f"{path}?after={newest - 2}") as stream:
            waiting = asyncio.create_task(stream.take(2))
            done, _ = await asyncio.wait([waiting], timeout=0.5)
            assert not done
            slow.commit()
            assert await waiting == ["early number, late commit", "late number, early commit"]


async def test_an_open_transaction_that_wrote_no_event_delays_nothing(
    api_url: str, acme_key: str, place: Place, started: Ids, owner: psycopg.Connection
) -> None:
    with psycopg.connect(place.url) as other:
        other.execute("update tenants set name = 'x' where tenant_id = 'globex'")
        write(owner, started[0], "on time")
        async with follow(api_url, acme_key, f"/instances/{started[0]}/events/stream") as stream:
            assert (await stream.take(3))[2] == "on time"


async def test_a_client_that_is_slow_reads_all_it_has_missed(
    api_url: str, acme_key: str, started: Ids, owner: psycopg.Connection
) -> None:
    async with follow(api_url, acme_key, f"/instances/{started[0]}/events/stream") as stream:
        await stream.take(2)
        numbers = [str(number) for number in range(500)]
        with owner.transaction():
            write(owner, started[0], *numbers)
        assert await stream.take(500) == numbers


async def test_many_streams_share_one_reader(
    app: FastAPI, api_url: str, acme_key: str, started: Ids, owner: psycopg.Connection
) -> None:
    path = f"/instances/{started[0]}/events/stream"
    async with follow(api_url, acme_key, path) as one, follow(api_url, acme_key, path) as two:
        await one.take(2), await two.take(2)
        assert [room.streams for room in app.state.services.events._rooms.values()] == [2]
        write(owner, started[0], "for both")
        assert await one.take(1) == await two.take(1) == ["for both"]


async def test_a_stream_ends_when_the_program_does(app: FastAPI, api_url: str, acme_key: str, started: Ids) -> None:
    async with follow(api_url, acme_key, f"/instances/{started[0]}/events/stream") as stream:
        await stream.take(2)
        app.state.services.stopping.set()
        assert await stream.ended()


async def test_an_instance_of_another_tenant_cannot_be_followed(globex: httpx.AsyncClient, started: Ids) -> None:
    for instance in (started[0], uuid4()):
        assert (await globex.get(f"/instances/{instance}/events/stream")).status_code == 404


def marks(last_id: int, *writers: str) -> EventMarks:
    return EventMarks(last_id=last_id, writers=frozenset(writers))


def test_the_horizon_waits_for_those_who_were_writing_and_for_nobody_else() -> None:
    horizon = EventHorizon()
    horizon.learn(marks(5, "a"))
    assert (horizon.reached, horizon.is_behind) == (None, True)
    horizon.learn(marks(7, "a", "b"))
    horizon.learn(marks(9, "b"))
    assert (horizon.reached, horizon.is_behind) == (5, True)
    horizon.learn(marks(9, "c"))
    assert (horizon.reached, horizon.is_behind) == (9, False)
    horizon.learn(marks(9, "c"))
    assert (horizon.reached, horizon.is_behind) == (9, False)


def test_a_horizon_without_writers_is_known_at_once() -> None:
    horizon = EventHorizon()
    horizon.learn(marks(0))
    assert horizon.reached == 0
