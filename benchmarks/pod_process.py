"""A real pod as a child process, for benchmarks that need one."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from uuid import UUID

import psycopg

from kernel.functions import Kernel
from kernel.models import Task, TaskStatus
from kernel.postgres import PostgresConnection

TENANT = "bench"
_ORCHESTRATORS = Path(__file__).resolve().parent / "orchestrators"


class PodProcess:
    """`python -m fleet pod` that serves this folder's orchestrators. Use as `async with`; it is registered on entering.

    `model_url`: the model endpoint behind the pod's own; the default is none.
    """

    def __init__(self, database_url: str, model_url: str = "http://127.0.0.1:9/v1"):
        self._url = database_url
        self._model_url = model_url
        self.kernel = Kernel(PostgresConnection(database_url, "fleet_api")).as_tenant(TENANT, "user:bench")

    async def __aenter__(self) -> "PodProcess":
        environment = {
            **os.environ,
            "DATABASE_URL": self._url,
            "FLEET_ORCHESTRATORS": str(_ORCHESTRATORS),
            "OPENAI_BASE_URL": self._model_url,
            "OPENAI_API_KEY": "none",
        }
        self._pod = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fleet", "pod", env=environment, stderr=asyncio.subprocess.DEVNULL
        )
        while not [pod for pod in await self.kernel.find_pods() if "clock" in pod.serves and pod.status == "READY"]:
            if self._pod.returncode is not None:
                raise RuntimeError(f"the pod exited with {self._pod.returncode}")
            await asyncio.sleep(0.05)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pod.send_signal(signal.SIGTERM)
        await self._pod.wait()
        await self.kernel.transport.close()  # type: ignore[attr-defined]

    async def finished(self, task_id: UUID) -> Task:
        """The task, once it is done."""
        while True:
            task = await self.kernel.get_task(task_id)
            if task is not None and task.status == TaskStatus.DONE:
                return task
            await asyncio.sleep(0.005)

    async def all_finished(self, number: int) -> None:
        """Wait until `number` tasks of the tenant are done."""
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as owner:
            while True:
                cursor = await owner.execute(
                    "select count(*) from public.todolist where tenant_id = %s and status = 'DONE'", [TENANT]
                )
                row = await cursor.fetchone()
                if row and row[0] >= number:
                    return
                await asyncio.sleep(0.02)
