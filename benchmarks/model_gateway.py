"""What a pod adds to a model call, live and replayed, what the journal costs, and how it grows with a conversation.

The calls are made by an orchestrator of a real pod, to the pod's endpoint and to the same upstream directly. The
upstream answers at once, so that the ratio is the worst that can be: a model takes seconds.
"""

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from agent_pod.calls.journal import Journal
from agent_pod.calls.prices import Prices
from agent_pod.metrics import PodMetrics
from agent_pod.run.current_task import Desk
from agent_pod.servers import LoopServer
from benchmarks.canned_model import canned_model
from benchmarks.figures import Figure, percentile
from benchmarks.pod_process import TENANT, PodProcess
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

CALLS, CHARACTERS = 300, 1000
ROUNDS, LONG = 100, 4000  # 800,000 characters in both directions, about 200,000 tokens
_TABLES = ["journal", "journal_blob", "journal_list"]


async def measure(database_url: str) -> list[Figure]:
    """300 short calls and a conversation of 100, each directly, live and replayed; then 300 writes of the journal."""
    with tempfile.TemporaryDirectory(prefix="fleet-calls-") as folder:
        os.chmod(folder, 0o777)  # noqa: PTH101  # the orchestrator may be another user
        async with (
            LoopServer(canned_model(), "127.0.0.1", 0) as upstream,
            PodProcess(database_url, f"{upstream.url}/v1") as pod,
        ):
            file = Path(folder) / "short"
            short = {"calls": CALLS, "characters": CHARACTERS, "growing": False, "file": str(file)}
            live, replayed = await _run(pod, short, f"{upstream.url}/v1")
            before = await _journal_bytes(database_url)
            long = {"calls": ROUNDS, "characters": LONG, "growing": True, "file": str(Path(folder) / "long")}
            long_live, long_replayed = await _run(pod, long, f"{upstream.url}/v1")
            stored = await _journal_bytes(database_url) - before
    written, inserted = await _writes(database_url)
    direct = live["direct"] + replayed["direct"]
    return [
        *_beside("model call through the pod, live", live["through"], direct, "the same server directly"),
        *_beside("model call through the pod, replayed", replayed["through"], direct, "the same server directly"),
        Figure("the pod adds to a live call, p50", _p50(live["through"]) - _p50(direct), "ms"),
        *_beside("writing a call to the journal", written, inserted, "a plain INSERT of the same JSON"),
        Figure("journal of 100 calls, 200k tokens", stored / 1e6, "MB", 2 * ROUNDS * LONG / 1e6, "the transcript"),
        *_conversation("live", long_live),
        *_conversation("replayed", long_replayed),
    ]


def _conversation(how: str, run: dict[str, list[float]]) -> list[Figure]:
    through, direct, what = run["through"], run["direct"], "the same server directly"
    return [
        Figure(f"these 100 calls, {how}", sum(through), "s", sum(direct), what),
        Figure(f"one of these 100 calls, {how}, p50", _p50(through), "ms", _p50(direct), what),
    ]


def _beside(name: str, values: list[float], others: list[float], what: str) -> list[Figure]:
    return [
        Figure(f"{name}, p{p}", percentile(values, p) * 1000, "ms", percentile(others, p) * 1000, what)
        for p in (50, 95)
    ]


def _p50(seconds: list[float]) -> float:
    return percentile(seconds, 50) * 1000


async def _run(pod: PodProcess, given: dict[str, Any], upstream: str) -> list[dict[str, list[float]]]:
    """The seconds of each call in both attempts."""
    task = {"activity_id": "call", "agent_orch": "caller", "input": {**given, "upstream": upstream}}
    [task_id] = await pod.kernel.enqueue_tasks([task])
    while len(runs := _lines(Path(given["file"]))) < 2:  # noqa: ASYNC110  # asking the database often would cost it time
        await asyncio.sleep(0.1)
    await pod.finished(task_id)
    return runs


def _lines(file: Path) -> list[dict[str, list[float]]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def _journal_bytes(database_url: str) -> int:
    async with await psycopg.AsyncConnection.connect(database_url) as owner:
        query = "select sum(pg_total_relation_size(t))::bigint from unnest(%s::text[]::regclass[]) t"
        row = await (await owner.execute(query, [_TABLES])).fetchone()
    assert row
    return row[0]


async def _writes(database_url: str) -> tuple[list[float], list[float]]:
    """Seconds of each write of a short call to the journal, and of a plain one."""
    text = "x" * CHARACTERS
    calls = [
        (
            {"model": "bench", "messages": [{"role": "user", "content": f"{number} {text}"}]},
            {"model": "bench", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]},
        )
        for number in range(CALLS)
    ]
    return await _through_the_journal(database_url, calls), await _inserted(database_url, calls)


async def _through_the_journal(database_url: str, calls: list[tuple[dict, dict]]) -> list[float]:
    api, connection = PostgresConnection(database_url, "fleet_api"), PostgresConnection(database_url, "fleet_pod")
    await Kernel(api).as_tenant(TENANT, "user:bench").enqueue_tasks([{"activity_id": "write", "agent_orch": "clock"}])
    await api.close()
    kernel = Kernel(connection)
    task = await kernel.next_task(uuid4(), ["clock"], 600)
    assert task is not None
    journal, work, seconds = Journal(kernel, Prices({}), PodMetrics()), Desk().open(task), []
    for request, response in calls:
        started = time.perf_counter()
        asked = await journal.ask(work, "chat", "bench", request, time.monotonic())
        await journal.model(asked, response, True, True)
        seconds.append(time.perf_counter() - started)
    await connection.close()
    return seconds


async def _inserted(database_url: str, calls: list[tuple[dict, dict]]) -> list[float]:
    seconds = []
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True, prepare_threshold=0) as owner:
        await owner.execute("create table plain_call (id bigserial primary key, request jsonb, response jsonb)")
        for request, response in calls:
            started = time.perf_counter()
            await owner.execute(
                "insert into plain_call (request, response) values (%s, %s)",
                [json.dumps(request), json.dumps(response)],
            )
            seconds.append(time.perf_counter() - started)
    return seconds
