"""Everything that runs in a run: database, wire, model, API, pods. What dies is started again, as Kubernetes would."""

import asyncio
import base64
import contextlib
import getpass
import json
import math
import os
import secrets
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chaos.database_wire import DatabaseWire
from chaos.effects_server import SERVER
from chaos.plan import Plan
from fleet.programs.children import Child, stop_all
from kernel.embedded import EmbeddedPostgres
from kernel.functions import Kernel
from kernel.migrate import create_tenant, migrate, store_api_key
from kernel.notification_models import NotificationType
from kernel.postgres import PostgresConnection

TENANT = "chaos"
_HERE = Path(__file__).resolve().parent
_ROOM_SECONDS = 0.2
_TOOL_SECONDS = 5
_LEAST_LIFE_SECONDS = 5
_START_SECONDS = 90
_DELIVERY = {
    "FLEET_WEBHOOK_ALLOW": '["127.0.0.0/8"]',
    "FLEET_DELIVERY_TIMEOUT_SECONDS": "5",
}


class Stage:
    """Use as `async with`. `folder` keeps the ledgers and logs; `api_url` and `api_key` are for the outside.

    `pod_settings`: more environment variables of the pods.
    """

    def __init__(self, plan: Plan, folder: Path, pod_settings: Mapping[str, str] | None = None):
        self.plan = plan
        self._pod_settings = pod_settings or {}
        self.folder = folder
        self.ledger = folder / "model.sqlite"
        self.effects = folder / "effects.sqlite"
        self.ends = folder / "ends.sqlite"
        self.witness = folder / "witness.jsonl"
        self.api_key = "fleet_" + secrets.token_urlsafe(32)
        self.api_url = f"http://127.0.0.1:{_free_port()}"
        self.children: dict[str, Child] = {}
        self._ports: dict[str, int] = {}
        self._up_since: dict[str, float] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Stage":
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def pods(self) -> list[str]:
        """Names of the pods."""
        return [name for name in self.children if name.startswith("pod-")]

    def pid(self, name: str) -> int:
        """Process id of a program."""
        process = self.children[name].process
        assert process is not None
        return process.pid

    def has_lived(self, name: str) -> bool:
        """Whether a program has been at work for a while, however long it took to start: else a slow machine would run
        nothing at all."""
        return time.monotonic() - self._up_since.get(name, math.inf) > _LEAST_LIFE_SECONDS

    async def keep_up(self) -> None:
        """Start again whatever has died, until cancelled."""
        while True:
            for name, child in self.children.items():
                if child.process is not None and child.process.poll() is not None:
                    self._up_since.pop(name, None)
                    child.start()
                elif name not in self._up_since and await _listens(self._ports[name]):
                    self._up_since[name] = time.monotonic()
            await asyncio.sleep(_ROOM_SECONDS)

    async def owner(self) -> psycopg.AsyncConnection:
        """A connection of the database's owner that does not go through the wire."""
        return await psycopg.AsyncConnection.connect(self.server.url, autocommit=True)

    async def _start(self) -> None:
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self.server = self._stack.enter_context(EmbeddedPostgres(self.folder / "postgres"))
        migrate(self.server.url)
        create_tenant(self.server.url, TENANT, "Chaos")
        store_api_key(self.server.url, TENANT, "chaos", self.api_key)
        socket_folder = conninfo_to_dict(self.server.url)["host"]
        self.wire = await self._stack.enter_async_context(
            DatabaseWire(f"{socket_folder}/.s.PGSQL.5432", self.plan.dice("wire"))
        )
        self._stack.push_async_callback(asyncio.to_thread, self._stop)  # beside the wire, which they need to the end
        wired = make_conninfo(
            self.server.url, host="127.0.0.1", port=self.wire.port, sslmode="disable", gssencmode="disable"
        )
        environment = {**os.environ, "DATABASE_URL": wired, "PYTHONUNBUFFERED": "1"}
        model_port, effects_port, ends_port = _free_port(), _free_port(), _free_port()
        self._add_outside("model", "model_ledger", port=model_port, book=self.ledger)
        self._add_outside("effects", "effects_server", port=effects_port, book=self.effects)
        self._add_outside("ends", "ends_ledger", port=ends_port, book=self.ends)
        await self._name_outside(f"http://127.0.0.1:{effects_port}/mcp", f"http://127.0.0.1:{ends_port}/")
        port = _free_port()
        delivery = {**environment, **_DELIVERY, "FLEET_DELIVERY_PORT": str(port)}
        self._add("deliverer", ["-m", "fleet", "deliver"], delivery, port)
        api_port = int(self.api_url.rpartition(":")[2])
        self._add(
            "api", ["-m", "fleet", "api", "--port", str(api_port)], {**environment, "FLEET_API_RATE": "0"}, api_port
        )
        for number in range(1, self.plan.pods + 1):
            port = _free_port()
            self._add(
                f"pod-{number}",
                ["-m", "fleet", "pod"],
                {
                    **environment,
                    "FLEET_POD_NAME": f"pod-{number}",
                    "FLEET_HEALTH_PORT": str(port),
                    "FLEET_ORCHESTRATORS": str(self._declare()),
                    "FLEET_RUNNER_USER": getpass.getuser(),  # it writes the witness file
                    "FLEET_LEASE_SECONDS": str(self.plan.lease_seconds),
                    "FLEET_MODEL": "ledger",
                    "FLEET_MCP_ALLOW": '["127.0.0.0/8"]',
                    "OPENAI_BASE_URL": f"http://127.0.0.1:{model_port}/v1",
                    "OPENAI_API_KEY": f"pod-{number}",  # by this the ledger knows who asks
                    **self._pod_settings,
                },
                port,
            )
        await self._until_up()

    def _declare(self) -> Path:
        folder = self.folder / "orchestrators"
        folder.mkdir(exist_ok=True)
        tools = json.dumps({"note": f"{SERVER}__note", "charge": f"{SERVER}__charge", "save": "save_document"})
        command = ["{python}", str(_HERE / "orchestrators" / "chaos_worker.py"), str(self.witness), tools]
        declaration = {"name": "chaos-worker", "description": "Does deeds.", "command": command, "memory_mb": 256}
        (folder / "chaos-worker.yaml").write_text(json.dumps(declaration))  # JSON is YAML
        return folder

    def _add_outside(self, name: str, module: str, port: int, **options: object) -> None:
        given = {**options, "port": port, "seed": self.plan.seed, "faults": ",".join(self.plan.faults)}
        arguments = ["-m", f"chaos.{module}", *(f"--{n}={value}" for n, value in given.items())]
        self._add(name, arguments, dict(os.environ), port)

    async def _name_outside(self, effects_url: str, ends_url: str) -> None:
        connection = PostgresConnection(self.server.url, "fleet_api")
        kernel = Kernel(connection).as_tenant(TENANT, "user:chaos")
        await kernel.put_mcp_server(SERVER, effects_url, timeout_seconds=_TOOL_SECONDS)
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        await kernel.create_webhook(ends_url, "ends", [NotificationType.PROCESS_DONE], secret)
        await connection.close()

    def _add(self, name: str, arguments: list[str], environment: dict[str, str], port: int) -> None:
        self._ports[name] = port
        log = self.folder / "logs" / f"{name}.log"
        self.children[name] = Child(name, [sys.executable, *arguments], environment, log)
        self.children[name].start()

    async def _until_up(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with httpx.AsyncClient(base_url=self.api_url, headers=headers) as api:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.HTTPError):
                    answer = await api.get("/pods")
                    if answer.is_success and len(answer.json()["items"]) >= self.plan.pods:
                        return
                await asyncio.sleep(_ROOM_SECONDS)
        tails = "\n".join(f"{name}: {child.tail()}" for name, child in self.children.items())
        raise TimeoutError(f"the fleet did not come up within {_START_SECONDS} s\n{tails}")

    def _stop(self) -> None:
        stop_all([self.children[name] for name in self.pods], 30)
        stop_all(list(self.children.values()), 10)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
