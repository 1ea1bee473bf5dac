"""A whole fleet as one process tree: database, model, API, deliverer, pods."""

import contextlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx

from fleet.api_client import ApiClient
from fleet.connection import Connection, read_connection, write_connection
from fleet.programs.children import Child, ProgramFailed, stop_all
from kernel.embedded import EmbeddedPostgres
from kernel.errors import SettingsInvalid
from kernel.migrate import create_tenant, migrate, store_api_key
from kernel.settings import Settings, Via, read_settings

TENANT = "default"
_START_SECONDS = 60


class FleetTree:
    """Use as `with`. On entering everything is up; on leaving nothing of it runs any more.

    With DATABASE_URL and OPENAI_API_KEY in `environment` their database and model are used; else an embedded
    PostgreSQL in `data`, and the offline model. With FLEET_VIA=supabase DATABASE_URL is the project's database, for
    init.sql and the key of the tenant; API and pods do not get it. `connection` tells where the API is.
    """

    def __init__(self, data: Path, port: int, pods: int, environment: Mapping[str, str] = os.environ):
        self.data = data.resolve()
        self._port = port
        self._pods = pods
        self._environment = environment
        self._drain_seconds = float(environment.get("FLEET_DRAIN_SECONDS") or 10)
        self.children: list[Child] = []
        self.connection: Connection
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "FleetTree":
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def keep_up(self) -> list[str]:
        """Start dead children again; returns their names. Call it about once a second."""
        return [child.name for child in self.children if child.keep_up()]

    def _start(self) -> None:
        (self.data / "logs").mkdir(parents=True, exist_ok=True)
        given = self._environment.get("DATABASE_URL")
        via = self._environment.get("FLEET_VIA") or Via.POSTGRES
        server = (
            None
            if given or via != Via.POSTGRES
            else self._stack.enter_context(EmbeddedPostgres(self.data / "postgres"))
        )
        named = {name: self._environment.get(name.upper()) for name in ("supabase_url", "supabase_key")}
        settings = read_settings(Settings, fleet_via=via, database_url=given or (server and server.url), **named)
        database_url = settings.postgres_url
        migrate(database_url)
        create_tenant(database_url, TENANT, "Default")
        earlier = read_connection(self.data)
        api_key = earlier.api_key if earlier else "fleet_" + secrets.token_urlsafe(32)
        store_api_key(database_url, TENANT, "development", api_key)
        self._stack.callback(self._stop)
        env = {**self._environment, "FLEET_VIA": via, "DATABASE_URL": database_url, "PYTHONUNBUFFERED": "1"}
        if via == Via.SUPABASE:
            del env["DATABASE_URL"]
        if not self._environment.get("OPENAI_API_KEY"):
            env |= {"OPENAI_API_KEY": "offline", "OPENAI_BASE_URL": self._start_offline_model()}
        self.connection = Connection(api_url=self._start_api(env), api_key=api_key, database_url=database_url)
        deliverer, ready_url = self._start_deliverer(env)
        self._start_pods({**env, "FLEET_DRAIN_SECONDS": str(self._drain_seconds)}, self.connection)
        self._wait_until_answers(deliverer, ready_url)
        write_connection(self.data, self.connection)

    def _stop(self) -> None:
        pods = [child for child in self.children if child.name.startswith("pod-")]
        stop_all(pods, self._drain_seconds + 10)
        stop_all(self.children, 10)

    def _start_offline_model(self) -> str:
        port = _free_port()
        env = {name: self._environment[name] for name in ("PATH", "HOME", "LANG") if name in self._environment}
        child = self._add("model", [sys.executable, "-m", "offline_model", "--port", str(port)], env)
        self._wait_until_answers(child, f"http://127.0.0.1:{port}/v1/models")
        return f"http://127.0.0.1:{port}/v1"

    def _start_api(self, env: dict[str, str]) -> str:
        port = self._port or _free_port()
        _check_port(port)
        child = self._add(
            "api", [sys.executable, "-m", "fleet", "api", "--host", "127.0.0.1", "--port", str(port)], env
        )
        self._wait_until_answers(child, f"http://127.0.0.1:{port}/readyz")
        return f"http://127.0.0.1:{port}"

    def _start_deliverer(self, env: dict[str, str]) -> tuple[Child, str]:
        port = str(_free_port())
        env = {**env, "FLEET_DELIVERY_HOST": "127.0.0.1", "FLEET_DELIVERY_PORT": port}
        child = self._add("deliverer", [sys.executable, "-m", "fleet", "deliver"], env)
        return child, f"http://127.0.0.1:{port}/readyz"

    def _start_pods(self, env: dict[str, str], connection: Connection) -> None:
        before = datetime.now(UTC)
        names = {f"pod-{number}" for number in range(1, self._pods + 1)}
        for name in sorted(names):
            self._add(name, [sys.executable, "-m", "fleet", "pod"], {**env, "FLEET_POD_NAME": name})
        with ApiClient(connection.api_url, connection.api_key) as api:
            for _ in _until_timeout():
                self.keep_up()
                pods = api.get("/pods")["items"]
                if names <= {pod["name"] for pod in pods if datetime.fromisoformat(pod["started_at"]) >= before}:
                    return
        raise ProgramFailed(f"the pods did not register within {_START_SECONDS} s:\n{self.children[-1].tail()}")

    def _add(self, name: str, argv: list[str], env: dict[str, str]) -> Child:
        log = self.data / "logs" / f"{name}.log"
        log.write_bytes(b"")
        child = Child(name, argv, env, log)
        self.children.append(child)
        child.start()
        return child

    def _wait_until_answers(self, child: Child, url: str) -> None:
        for _ in _until_timeout():
            assert child.process is not None
            if child.process.poll() is not None:
                raise ProgramFailed(f"{child.name} exited with {child.process.returncode}:\n{child.tail()}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url, timeout=5).is_success and child.process.poll() is None:
                    return
        raise ProgramFailed(f"{child.name} did not answer at {url} within {_START_SECONDS} s:\n{child.tail()}")


def _until_timeout() -> Iterator[None]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def _check_port(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        raise SettingsInvalid(f"--port: {port} is in use on this machine. Name another, or 0 for a free one.") from None


def check_data(data: Path) -> None:
    """Raise SettingsInvalid where a fleet seems to run in `data` already."""
    earlier = read_connection(data)
    if earlier is None:
        return
    with contextlib.suppress(httpx.HTTPError):
        httpx.get(f"{earlier.api_url}/healthz", timeout=2)
        raise SettingsInvalid(f"a fleet runs in {data} already, at {earlier.api_url}. Stop it, or name another --data.")
