"""Server-sent events over a real server: what comes, from where, and when a stream ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from followed_stream import Following
from user_tokens import user_token

from execution_api.settings import ApiSettings
from execution_api.streams.tail import Tail
from kernel.functions import Kernel


@asynccontextmanager
async def follow(url: str, token: str, **headers: str) -> AsyncIterator[Following]:
    credentials = {"Authorization": f"Bearer {token}", **headers}
    async with (
        httpx.AsyncClient(base_url=url, headers=credentials, timeout=30) as client,
        client.stream("GET", "/notifications/stream") as answer,
    ):
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        yield Following(answer)


async def tell(kernel: Kernel, *people: str) -> None:
    await kernel.enqueue_tasks([{"activity_id": "do", "name": p, "assignee": p} for p in people])


async def test_what_a_user_is_told_comes_at_once_and_nothing_else(api_url: str, kernel_api: Kernel) -> None:
    await tell(kernel_api, "ann@acme.test")
    async with follow(api_url, user_token("acme")) as stream:
        await tell(kernel_api, "bob@acme.test", "ann@acme.test")
        await tell(kernel_api.as_tenant("globex", "user:gil"), "ann@acme.test")
        event = await stream.next()
        assert event["event"] == "TASK_ASSIGNED" and event["data"]["user_id"] == "ann@acme.test"
        await tell(kernel_api, "ann@acme.test")
        assert (await stream.next())["data"]["notify_id"] > event["data"]["notify_id"]


async def test_who_comes_back_goes_on_from_where_they_were(api_url: str, kernel_api: Kernel, acme_key: str) -> None:
    await tell(kernel_api, "a", "b", "c")
    first, *others = reversed(await kernel_api.find_notifications())
    async with follow(api_url, acme_key, **{"Last-Event-ID": str(first.notify_id)}) as stream:
        got = [(await stream.next())["data"]["notify_id"] for _ in others]
    assert got == [other.notify_id for other in others]


async def test_a_stream_ends_when_the_program_does(app: FastAPI, api_url: str, acme_key: str) -> None:
    async with follow(api_url, acme_key) as stream:
        app.state.services.stopping.set()
        assert await stream.ended()


class TestWithOneStream:
    @pytest.fixture
    def settings(self, settings: ApiSettings) -> ApiSettings:
        return settings.model_copy(update={"fleet_api_streams": 1})

    async def test_there_are_no_more_streams_than_there_may_be(self, app: FastAPI, api_url: str, acme_key: str) -> None:
        async with follow(api_url, acme_key), httpx.AsyncClient(base_url=api_url) as client:
            full = await client.get("/notifications/stream", headers={"X-API-Key": acme_key})
            assert (full.status_code, full.headers["retry-after"]) == (503, "30")
        async with follow(api_url, acme_key):
            pass


async def test_what_was_numbered_early_and_committed_late_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, now = [3, 5], 1000.0
    monkeypatch.setattr("execution_api.streams.tail.time.monotonic", lambda: now)

    async def read(after: int, limit: int) -> list[int]:
        return sorted(row for row in rows if row > after)[:limit]

    tail = Tail(read, int, 2)
    assert (await tail.new(), tail.floor) == ([3, 5], 2)
    rows.append(4)
    assert (await tail.new(), tail.floor) == ([4], 2)
    now += 11
    assert (await tail.new(), tail.floor) == ([], 5)
    rows.extend(range(6, 606))
    assert (await tail.new(), tail.floor) == (list(range(6, 606)), 5)
