"""The outside world of a run: it starts instances over HTTP, patiently, and looks how they ended."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any, LiteralString

import httpx
import psycopg

from chaos.plan import PROCESSES, Start
from chaos.stage import Stage

_PATIENCE_SECONDS = 600
_PAUSE_SECONDS = 0.3


@dataclass
class Accepted:
    """Instances that the API said yes to: {key: instance id}. `refused` holds what it said no to, and why."""

    instances: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Left:
    """`busy`: tasks and messages that somebody has or may take; `next_attempt_seconds`: how far away in the database's
    time the next attempt of another one is, None where nothing waits for one; `done`: how much has come to an end."""

    busy: int
    next_attempt_seconds: float | None
    done: int


_LEFT: LiteralString = """
    select (select count(*) from public.todolist where status in ('IN_PROGRESS', 'WAITING')
                                                    or status = 'PENDING' and available_at is null)
         + (select count(*) from public.outbox
            where status = 'SENDING' or status = 'PENDING' and next_attempt_at <= kernel.now()),
           (select extract(epoch from min(at) - kernel.now())::float
            from (select available_at from public.todolist where status = 'PENDING' and available_at < 'infinity'
                  union all select next_attempt_at from public.outbox where status = 'PENDING') as waits (at)),
           (select count(*) from public.todolist where status = 'DONE')
         + (select count(*) from public.bpm_proc_inst where status <> 'RUNNING')
         + (select count(*) from public.outbox where status = 'DELIVERED')
"""


class Outside:
    """Use as `async with`."""

    def __init__(self, stage: Stage):
        self._stage = stage
        headers = {"Authorization": f"Bearer {stage.api_key}"}
        self._api = httpx.AsyncClient(base_url=stage.api_url, headers=headers, timeout=20)
        self.accepted = Accepted()

    async def __aenter__(self) -> "Outside":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.aclose()

    async def deploy(self) -> None:
        """Deploy the processes of the run."""
        for file in sorted(PROCESSES.glob("*.bpmn")):
            answer = await self.ask(
                "POST", "/process-definitions", content=file.read_bytes(), headers={"content-type": "application/xml"}
            )
            answer.raise_for_status()

    async def start_all(self, starts: list[Start]) -> None:
        """Start each instance at its time."""
        begun = time.monotonic()

        async def start(planned: Start) -> None:
            await asyncio.sleep(max(0, begun + planned.at - time.monotonic()))
            await self._start(planned)

        await asyncio.gather(*(start(planned) for planned in starts))

    async def _start(self, planned: Start) -> None:
        asked = {
            "process_definition_id": planned.definition,
            "process_instance_id": "new",
            "form_values": planned.variables,
        }
        answer = await self.ask("POST", "/complete", json={"input": asked}, headers={"Idempotency-Key": planned.key})
        if answer.status_code == 202:
            self.accepted.instances[planned.key] = answer.json()["process_instance_id"]
        else:
            self.accepted.refused[planned.key] = f"{answer.status_code} {answer.text[:300]}"

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask until the API answers with anything but trouble of its own."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            late = time.monotonic() > deadline
            try:
                answer = await self._api.request(method, path, **options)
                if late or (answer.status_code < 500 and answer.status_code != 429):
                    return answer
            except httpx.TransportError:
                if late:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    async def until_all_ended(self, seconds: float, number: int) -> None:
        """Wait until `number` instances have left RUNNING, at most `seconds`."""
        await self._until("select count(*) >= %s from public.bpm_proc_inst where status <> 'RUNNING'", seconds, number)

    async def what_is_left(self) -> "Left":
        """What is left to do at this moment; the database must be there."""
        async with await self._stage.owner() as owner:
            row = await (await owner.execute(_LEFT)).fetchone()
        assert row is not None
        return Left(*row)

    async def _until(self, question: LiteralString, seconds: float, argument: int) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg.Error):  # the database may be away just now
                async with await self._stage.owner() as owner:
                    row = await (await owner.execute(question, [argument])).fetchone()
                    if row and row[0]:
                        return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def instance(self, instance_id: str) -> dict[str, Any]:
        """An instance as the API shows it."""
        answer = await self.ask("GET", f"/instances/{instance_id}")
        return answer.json() if answer.is_success else {"status": f"HTTP {answer.status_code}", "variables": {}}
