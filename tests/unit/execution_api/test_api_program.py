"""The program as operators run it: a process of its own, and a real server."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from sample_processes import ROBOT

_PROGRAM = "from execution_api.main import serve\nfrom execution_api.settings import ApiSettings\nserve(ApiSettings())"


@contextmanager
def program(database_url: str) -> Iterator[tuple[subprocess.Popen[str], str, list[dict[str, Any]]]]:
    """The running program, its address, and the lines it logged until it listened."""
    environment = {**os.environ, "DATABASE_URL": database_url, "PORT": "0", "SUPABASE_JWT_SECRET": "top secret " * 4}
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], env=environment, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stderr
            lines: list[dict[str, Any]] = []
            while not lines or "running on" not in lines[-1]["message"]:
                lines.append(json.loads(child.stderr.readline()))
            yield child, lines[-1]["message"].split("running on ")[1].split()[0], lines
        finally:
            child.kill()


def test_the_program_logs_one_line_of_json_per_request_and_none_for_probes(database_url: str, acme_key: str) -> None:
    with program(database_url) as (child, address, _):
        with httpx.Client(base_url=address) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/metrics").status_code == 200
            assert client.get("/tasks?person=somebody", headers={"X-API-Key": acme_key}).status_code == 200
            assert client.get("/tasks", headers={"X-API-Key": "fleet_wrong"}).status_code == 401
        child.send_signal(signal.SIGTERM)
        text = child.communicate(timeout=30)[1]
    records = [json.loads(line) for line in text.splitlines()]
    requests = [record for record in records if record["message"] == "request"]
    assert [(r["method"], r["path"], r["status"], r["actor"]) for r in requests] == [
        ("GET", "/tasks", 200, "api_key:ci"),
        ("GET", "/tasks", 401, None),
    ]
    for secret in (acme_key, "fleet_wrong", "top secret", "somebody"):
        assert secret not in text
    assert child.returncode == -signal.SIGTERM or child.returncode == 0


def test_a_request_that_waits_is_answered_when_the_program_is_told_to_end(database_url: str, acme_key: str) -> None:
    with program(database_url) as (child, address, _):
        headers = {"X-API-Key": acme_key}
        with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
            unfinished = start_unfinished(database_url, client)
            child.send_signal(signal.SIGTERM)
            assert unfinished().status_code == 202
        child.communicate(timeout=30)


def start_unfinished(database_url: str, client: httpx.Client) -> Callable[[], httpx.Response]:
    raise NotImplementedError


async def test_a_caller_who_hangs_up_ends_the_wait(
    app: FastAPI,
    acme_key: str,
    deploy: Callable[..., Awaitable[str]],
    start_pod: Callable[..., Awaitable[Any]],
) -> None:
    pod = await start_pod()
    body = {"input": {"process_instance_id": "new", "process_definition_id": await deploy(ROBOT)}}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as caller:
            post = caller.post("/complete?wait=300", json=body, headers={"X-API-Key": acme_key}, timeout=300)
            asking = asyncio.create_task(post)
            while await pod.next() is None:  # the instance is there, so the request waits
                pass
            asking.cancel()
        server.should_exit = True
        async with asyncio.timeout(30):  # the server ends when its last request has
            await serving
