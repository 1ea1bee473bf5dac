"""A model endpoint that fails, over real sockets: what its orchestrator gets, and what becomes of the task."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import openai
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from test_pod import ORCHESTRATORS

from agent_pod.calls.journal import Journal
from agent_pod.calls.prices import Prices
from agent_pod.claiming.execution import Endpoints, Execution
from agent_pod.claiming.keeper import Keeper
from agent_pod.claiming.pod import Pod
from agent_pod.metrics import PodMetrics
from agent_pod.model_door.gateway import ModelGateway, open_upstream
from agent_pod.model_door.upstream_retry import Patience
from agent_pod.run.current_task import Desk
from agent_pod.servers import LoopServer
from agent_pod.user_space.registry import read_orchestrators
from agent_pod.user_space.runner import Limits
from agent_pod.user_space.runners import Runners
from kernel.functions import Kernel
from kernel.models import Task
from kernel.postgres import PostgresConnection

GOOD = {"id": "c", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}}]}
BUSY = {"error": {"message": "Slow down.", "type": "rate_limit", "code": "rate_limit_exceeded"}}


class Script:
    """A model endpoint that gives its answers in turn, the last one for ever. "hang": none, ever."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked = 0
        self.seen = asyncio.Event()

    async def handle(self, request: Request) -> Response:
        self.asked += 1
        self.seen.set()
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if answer == "hang":
            await asyncio.Event().wait()
        status, body, headers = answer
        return JSONResponse(body, status, headers)


@pytest.fixture
async def script() -> Script:
    return Script()


@pytest.fixture
async def script_url(script: Script) -> AsyncIterator[str]:
    app = Starlette(routes=[Route("/v1/{path:path}", script.handle, methods=["POST"])])
    async with LoopServer(app, "127.0.0.1", 0) as server:
        yield f"{server.url}/v1"


@pytest.fixture
async def dropping_url() -> AsyncIterator[str]:
    """An endpoint that hangs up on whoever asks."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@pytest.fixture
def run_task(
    database_url: str, enqueue: Any, start_pod: Any, kernel_api: Kernel
) -> Callable[..., Any]:  # fmt: skip
    """`await run_task(url, **task)`: a pod runs a task of naughty, which asks the model at `url`; the task after it."""

    async def run(url: str, patience_seconds: float = 0, do: Any = None, **fields: Any) -> Task:
        metrics, desk, pod_id = PodMetrics(), Desk(), uuid4()
        async with contextlib.AsyncExitStack() as stack:
            connection = PostgresConnection(database_url, "fleet_pod")
            stack.push_async_callback(connection.close)
            kernel = Kernel(connection)
            client = await stack.enter_async_context(open_upstream(url, "sk-real"))
            journal = Journal(kernel, Prices({}), metrics)
            gateway = ModelGateway(desk, client, journal, Patience(patience_seconds, metrics))
            server = await stack.enter_async_context(LoopServer(Starlette(routes=gateway.routes), "127.0.0.1", 0))
            declarations = read_orchestrators(ORCHESTRATORS, ["naughty"])
            runners = Runners(declarations, Limits(1 << 20, 50, None), 1)
            stack.push_async_callback(runners.close)
            keeper = Keeper(lambda: PostgresConnection(database_url, "fleet_pod"), pod_id, 30)
            execution = Execution(kernel, desk, keeper, runners, Endpoints(f"{server.url}/v1", "http://t", "m"))
            pod = Pod(pod_id, ["naughty"], connection, execution, keeper, metrics, 30, 2.0)
            await kernel.register_pod(pod_id, "in-loop", [{"id": "naughty", "description": ""}], None)
            [task_id] = await enqueue(1, agent_orch="naughty", input={"do": "ask_model", **(do or {})}, **fields)
            keeper.start()
            working = asyncio.create_task(pod.run())
            task = await _after_one_run(kernel_api, task_id)
            pod.drain()
            await working
            await asyncio.to_thread(keeper.stop)
        return task

    return run


async def _after_one_run(kernel: Kernel, task_id: UUID) -> Task:
    async with asyncio.timeout(60):
        while True:
            task = await kernel.get_task(task_id)
            if task and (task.status in ("DONE", "FAILED") or task.failed_attempts):
                return task
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "do", "status", "error_class", "attempt"),
    [
        ((429, BUSY, {"Retry-After": "40"}), {}, "PENDING", "model_overloaded", 0),
        ((503, {}, {"Retry-After": "40"}), {"crashes": True}, "PENDING", "model_overloaded", 0),
        ((429, BUSY, {"Retry-After": "40"}), {"gives_up": True}, "PENDING", "model_overloaded", 0),
        ((500, {}, {}), {}, "PENDING", "model_unavailable", 1),
        ((401, {}, {}), {}, "FAILED", "model_auth", 1),
        ((400, {}, {}), {}, "FAILED", "input_refused", 1),
    ],
)
async def test_the_task_ends_by_what_the_model_endpoint_answered_last(
    run_task: Any, script: Script, script_url: str, answer: Any, do: Any, status: str, error_class: str, attempt: int
) -> None:
    script.answers = [answer]
    task = await run_task(script_url, do=do)
    [failed] = task.failed_attempts
    assert (task.status, failed.error_class, task.attempt) == (status, error_class, attempt)
    assert failed.reason.startswith(f"the model endpoint answered HTTP {answer[0]}")
    waits = (task.available_at - failed.ended_at).total_seconds() if task.available_at else 0
    assert 38 <= waits <= 48 if error_class == "model_overloaded" else waits <= 6


async def test_an_endpoint_that_hangs_up_is_unavailable(run_task: Any, dropping_url: str) -> None:
    task = await run_task(dropping_url)
    assert (task.status, task.failed_attempts[0].error_class) == ("PENDING", "model_unavailable")


async def test_an_endpoint_that_never_answers_is_a_timeout(run_task: Any, script: Script, script_url: str) -> None:
    script.answers = ["hang"]
    task = await run_task(script_url, timeout_seconds=2)
    assert (task.status, task.failed_attempts[0].error_class) == ("PENDING", "timed_out")


async def test_a_short_overload_is_waited_out_in_place_and_the_run_goes_on(
    run_task: Any, script: Script, script_url: str
) -> None:
    script.answers = [(429, BUSY, {"Retry-After": "1"}), (502, {}, {}), (200, GOOD, {})]
    task = await run_task(script_url, patience_seconds=30)
    assert (task.status, task.output, task.failed_attempts) == ("DONE", {"said": "yes"}, [])
    assert script.asked == 3


async def test_a_call_that_was_made_again_is_one_line_of_the_journal(
    open_endpoint: Any, script: Script, script_url: str
) -> None:
    script.answers = [(529, BUSY, {"Retry-After": "0"}), (200, GOOD, {})]
    endpoint = await open_endpoint(script_url, 30)
    async with openai.AsyncOpenAI(base_url=endpoint.url, api_key=endpoint.token) as client:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}])
    assert answer.choices[0].message.content == "yes"
    assert [call.outcome for call in await endpoint.calls()] == ["ok"]
    retried = endpoint.metrics.registry.get_sample_value("model_retries_total", {"error_class": "model_overloaded"})
    assert (script.asked, retried) == (2, 1)


async def test_a_time_beyond_its_patience_goes_back_at_once_and_openais_client_does_not_ask_again(
    open_endpoint: Any, script: Script, script_url: str
) -> None:
    script.answers = [(429, BUSY, {"Retry-After": "100"})]
    endpoint = await open_endpoint(script_url, 20)
    async with openai.AsyncOpenAI(base_url=endpoint.url, api_key=endpoint.token, max_retries=5) as client:
        async with asyncio.timeout(15):
            with pytest.raises(openai.RateLimitError) as refused:
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}])
    assert (refused.value.body, refused.value.response.headers["retry-after"]) == (BUSY["error"], "100")
    assert script.asked == 1


async def test_what_another_call_cannot_mend_is_not_asked_again(
    open_endpoint: Any, script: Script, script_url: str
) -> None:
    script.answers = [(400, BUSY, {})]
    endpoint = await open_endpoint(script_url, 30)
    headers = {"Authorization": f"Bearer {endpoint.token}"}
    async with httpx.AsyncClient(headers=headers) as http:
        answer = await http.post(f"{endpoint.url}/chat/completions", json={"model": "m", "messages": []})
    assert (answer.status_code, script.asked) == (400, 1)


async def test_a_pod_that_slept_past_its_lease_while_it_waited_asks_no_more(
    open_endpoint: Any, set_clock: Any, start_pod: Any
) -> None:
    asked = 0

    async def handle(_request: Request) -> Response:
        nonlocal asked
        asked += 1
        set_clock(3600)
        await (await start_pod(name="other")).claim()
        return JSONResponse({}, 503, {"Retry-After": "0"})

    app = Starlette(routes=[Route("/v1/{path:path}", handle, methods=["POST"])])
    async with LoopServer(app, "127.0.0.1", 0) as server:
        endpoint = await open_endpoint(f"{server.url}/v1", 600)
        token = endpoint.desk.open(endpoint.task, is_held=lambda: asked == 0).token
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
            answer = await http.post(f"{endpoint.url}/chat/completions", json={"model": "m", "messages": []})
    assert (answer.status_code, answer.json()["error"]["code"], asked) == (409, "lease_lost", 1)


async def test_nobody_waits_for_a_run_that_is_over(open_endpoint: Any, script: Script, script_url: str) -> None:
    script.answers = [(503, {}, {"Retry-After": "500"})]
    endpoint = await open_endpoint(script_url, 600)
    headers = {"Authorization": f"Bearer {endpoint.token}"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:
        asking = asyncio.create_task(http.post(f"{endpoint.url}/chat/completions", json={"model": "m", "messages": []}))
        await script.seen.wait()
        endpoint.desk.clear()
        assert (await asking).status_code == 503
    assert script.asked == 1
