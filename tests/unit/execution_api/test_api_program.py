"""The program as operators run it: a process of its own, and a real server."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from sample_processes import ROBOT
from user_tokens import JWT_SECRET


async def claim(pod: Any) -> None:
    async with asyncio.timeout(30):
        while await pod.next() is None:
            pass


_PROGRAM = "from execution_api.main import serve\nfrom execution_api.settings import ApiSettings\nserve(ApiSettings())"


@asynccontextmanager
async def program(database_url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The running program and its address."""
    environment = {**os.environ, "DATABASE_URL": database_url, "PORT": "0", "SUPABASE_JWT_SECRET": JWT_SECRET}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert child.stderr
        while "running on" not in (message := json.loads(await child.stderr.readline())["message"]):
            pass
        yield child, message.split("running on ")[1].split()[0]
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def test_the_program_logs_a_line_of_json_per_request_and_answers_those_who_wait_before_it_ends(
    database_url: str, acme_key: str, deploy: Callable[..., Awaitable[str]], start_pod: Callable[..., Awaitable[Any]]
) -> None:
    pod = await start_pod()
    body = {"input": {"process_instance_id": "new", "process_definition_id": await deploy(ROBOT)}}
    async with program(database_url) as (child, address):
        async with httpx.AsyncClient(base_url=address, headers={"X-API-Key": acme_key}, timeout=60) as client:
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/metrics")).status_code == 200
            assert (await client.get("/tasks?person=somebody")).status_code == 200
            assert (await client.get("/tasks", headers={"X-API-Key": "fleet_wrong"})).status_code == 401
            waiting = asyncio.create_task(client.post("/complete?wait=300", json=body))
            await claim(pod)  # the instance is there, so the request waits
            child.send_signal(signal.SIGTERM)
            assert (await waiting).status_code == 202
        text = (await child.communicate())[1].decode()
    requests = [line for line in map(json.loads, text.splitlines()) if line["message"] == "request"]
    assert [(r["method"], r["path"], r["status"], r["actor"]) for r in requests] == [
        ("GET", "/tasks", 200, "api_key:ci"),
        ("GET", "/tasks", 401, None),
        ("POST", "/complete", 202, "api_key:ci"),
    ]
    for secret in (acme_key, "fleet_wrong", JWT_SECRET, "somebody"):
        assert secret not in text
    assert child.returncode == -signal.SIGTERM


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
            await claim(pod)  # the instance is there, so the request waits
            asking.cancel()
        server.should_exit = True
        async with asyncio.timeout(30):  # the server ends when its last request has
            await serving
