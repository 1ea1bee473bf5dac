"""What an orchestrator needs to take tasks from its pod: read a task, report progress, answer.

An orchestrator is a child process of an agent pod. Tasks come in on stdin, answers go out on the file
descriptor named by FLEET_RESULT_FD, one JSON object per line each way (README.md beside this file is the
protocol). A whole orchestrator:

    from orchestrators import kit

    def handle(task: kit.Task) -> dict:
        return {"greeting": f"Hello {task.input['name']}"}

    kit.serve(handle)

Only the standard library is imported, so the kit runs in any environment with Python 3.11 or newer; what is
slow to import (asyncio, http.client) is imported where it is used.

Failures, from general to special:

    any exception   the task failed, and another attempt may help
    Failed          the same with a reason of your own words, and you say whether another attempt may help
    Refused         another attempt cannot help: a person must look at it
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

RESULT_FD = "FLEET_RESULT_FD"
LONGEST_REASON = 2000
PROGRESS_TIMEOUT_SECONDS = 5.0
MCP_PROTOCOL_VERSION = "2025-06-18"


class Failed(Exception):
    """The task failed for this `reason`; `retryable` says whether another attempt may succeed.

    `error_class` may name what failed, where the pod cannot know (README.md lists the classes); None: the pod's view.
    """

    def __init__(self, reason: str, *, retryable: bool = True, error_class: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.error_class = error_class


class Refused(Failed):
    """The task cannot be done as it was given: no other attempt is made and a person is told the `reason`."""

    def __init__(self, reason: str, *, error_class: str | None = None) -> None:
        super().__init__(reason, retryable=False, error_class=error_class)


@dataclass(frozen=True, slots=True)
class Task:
    """One task, as the pod sent it.

    `token` is the bearer token of both endpoints, valid for this task only; it is left out of `repr`.
    `output_schema` is the JSON Schema the output must satisfy, or None. `agent` has id, name, role, goal, persona,
    model and tools (names; empty = all), or is None. `process` has definition_id, instance_id, activity_id,
    activity_name and iteration, or is None. `attempt` counts from 1.
    """

    task_id: str
    token: str = field(repr=False)
    model_url: str
    tools_url: str
    instruction: str
    model: str
    input: dict[str, Any] = field(default_factory=dict)
    output_schema: dict[str, Any] | None = None
    agent: dict[str, Any] | None = None
    attempt: int = 1
    process: dict[str, Any] | None = None

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Task:
        """Build a task from the pod's message; fields this kit does not know are left out.

        Raises:
            Refused: a text field is missing or not a string, or `input` is not an object.
        """
        for name in ("task_id", "token", "model_url", "tools_url", "instruction", "model"):
            if not isinstance(message.get(name), str):
                raise Refused(f"The task message has no text field {name!r}; the pod must send one.")
        if not isinstance(message.get("input", {}), dict):
            raise Refused(f"The task's `input` must be an object, not {type(message['input']).__name__}.")
        return cls(**{name: message[name] for name in cls.__dataclass_fields__ if name in message})


Output = dict[str, Any]
Handler = Callable[[Task], "Output | Awaitable[Output]"]


def serve(handle: Handler) -> None:
    """Answer tasks with `handle` until the pod closes stdin, then return.

    `handle` may be a plain or an async function; all async tasks of a process share one event loop. Before each
    task OPENAI_BASE_URL, OPENAI_API_KEY, MCP_SERVER_URL and MCP_SERVER_TOKEN are set, which is where most
    frameworks look. Stdin is empty for `handle` and for what it starts; stdout and stderr are only log.

    Args:
        handle: gets the task and returns its output, an object that JSON can hold.

    Raises:
        SystemExit: FLEET_RESULT_FD is not set, or a line from the pod is not a message with a task_id.
    """
    tasks, answers = _take_channels()
    with tasks, answers, _Caller(handle) as call:
        for message in _messages(tasks):
            _send(answers, _attempt(call, message))


def report_progress(task: Task, message: str, percent: float | None = None) -> bool:
    """Tell the people who watch the task what it is doing; never fails the task.

    A call of the MCP tool `report_progress`, sent as the single POST which a stateless streamable HTTP server
    accepts (MCP 2025-06-18, transports: the JSON-RPC request is the body, no session).

    Args:
        task: the task at hand.
        message: one sentence for people.
        percent: how much is done, 0 to 100, or None when nobody can know.

    Returns:
        Whether the pod took it; when it did not, stderr says why.
    """
    arguments: dict[str, Any] = {"message": message}
    if percent is not None:
        arguments["percent"] = percent
    try:
        _call_tool(task, "report_progress", arguments)
    except Exception as error:
        _log(f"progress was not reported: {_reason(error)}", task.token)
        return False
    return True


def single_error(error: BaseException) -> BaseException:
    """Return the one error inside nested groups of one, which is how task groups raise; else `error` itself."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _take_channels() -> tuple[io.TextIOWrapper, io.FileIO]:
    """Move the task and result channels to private descriptors and leave /dev/null as stdin."""
    number = os.environ.pop(RESULT_FD, "")
    if not number.isdigit():
        raise SystemExit(f"{RESULT_FD} must be the number of an open file descriptor, not {number!r}; a pod sets it.")
    # os.dup makes descriptors which programs started from here do not inherit (PEP 446).
    tasks = os.fdopen(os.dup(0), encoding="utf-8")
    answers = io.FileIO(os.dup(int(number)), "w")
    # A forked worker that outlives this process would keep the pod waiting for the end of the answers.
    os.register_at_fork(after_in_child=answers.close)
    if int(number) > 2:
        os.close(int(number))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return tasks, answers


def _messages(tasks: io.TextIOWrapper) -> Iterator[dict[str, Any]]:
    """Yield the task messages; other types are for newer kits and are passed over."""
    for line in tasks:
        try:
            message = json.loads(line)
            kind, _ = message["type"], message["task_id"]
        except (ValueError, TypeError, KeyError) as error:
            raise SystemExit(f"A line on stdin is not a message with type and task_id ({_reason(error)}).") from None
        if kind == "task":
            yield message
        else:
            _log(f"passed over a message of type {kind!r}")


class _Caller:
    """Calls the handler; what it awaits runs on one event loop kept for the life of the process.

    One loop, because clients which frameworks keep between tasks are bound to the loop they first ran on.
    """

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._runner: asyncio.Runner | None = None

    def __enter__(self) -> _Caller:
        return self

    def __exit__(self, *_: object) -> None:
        if self._runner:
            self._runner.close()

    def __call__(self, task: Task) -> object:
        result = self._handle(task)
        if not isinstance(result, Awaitable):
            return result
        if self._runner is None:
            import asyncio  # noqa: PLC0415 - slow, and only async handlers need it

            self._runner = asyncio.Runner()
        return self._runner.run(_wait_for(result))


async def _wait_for(result: Awaitable[object]) -> object:
    return await result


def _attempt(call: _Caller, message: dict[str, Any]) -> bytes:
    """Run one task and return the line that answers it."""
    try:
        task = Task.from_message(message)
        _point_frameworks_at(task)
        return _done(task, call(task))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a framework that calls sys.exit has failed, it has not crashed
        return _failed(message, single_error(error))


def _point_frameworks_at(task: Task) -> None:
    os.environ["OPENAI_BASE_URL"] = task.model_url
    os.environ["OPENAI_API_KEY"] = task.token
    os.environ["MCP_SERVER_URL"] = task.tools_url
    os.environ["MCP_SERVER_TOKEN"] = task.token


def _done(task: Task, output: object) -> bytes:
    if not isinstance(output, dict):
        raise Refused(f"The orchestrator returned {type(output).__name__}; the output must be an object (a dict).")
    try:
        return _line({"type": "done", "task_id": task.task_id, "output": output})
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(f"The orchestrator's output cannot be written as JSON: {error}") from None


def _failed(message: dict[str, Any], error: BaseException) -> bytes:
    token = str(message.get("token") or "")
    if isinstance(error, Failed):
        _log(f"failed: {error.reason}", token)
    else:
        _log("".join(traceback.format_exception(error)), token)
    reason = _without(token, _reason(error))[:LONGEST_REASON]
    answer = {"type": "failed", "task_id": message["task_id"], "reason": reason, "retryable": True}
    if isinstance(error, Failed):
        answer["retryable"] = error.retryable
        if error.error_class is not None:
            answer["error_class"] = error.error_class
    return _line(answer)


def _reason(error: BaseException) -> str:
    if isinstance(error, Failed):
        return error.reason
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, allow_nan=False).encode() + b"\n"


def _send(answers: io.FileIO, line: bytes) -> None:
    """Write all of `line`; a pipe may take less than it is given."""
    rest = memoryview(line)
    while rest:
        rest = rest[answers.write(rest) :]


def _call_tool(task: Task, name: str, arguments: dict[str, Any]) -> None:
    from http.client import HTTPConnection  # noqa: PLC0415 - slow, and many tasks never need it
    from urllib.parse import urlsplit  # noqa: PLC0415

    url = urlsplit(task.tools_url)
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    headers = {
        "Authorization": f"Bearer {task.token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MCP_PROTOCOL_VERSION,
    }
    connection = HTTPConnection(url.hostname or "", url.port, timeout=PROGRESS_TIMEOUT_SECONDS)
    try:
        connection.request("POST", url.path, json.dumps(request), headers)
        response = connection.getresponse()
        _check_tool_answer(response.status, response.read().decode(errors="replace"))
    finally:
        connection.close()


def _check_tool_answer(status: int, body: str) -> None:
    """Raise Failed unless a tool server answered that the call went well."""
    if status != 200:
        raise Failed(f"the tool endpoint answered HTTP {status}: {body[:200]}")
    answer = json.loads(body)
    if "error" in answer or answer["result"].get("isError"):
        raise Failed(f"the tool endpoint refused: {body[:200]}")


def _without(token: str, text: str) -> str:
    return text.replace(token, "***") if token else text


def _log(text: str, token: str = "") -> None:
    sys.stderr.write(_without(token, text).rstrip("\n") + "\n")
    sys.stderr.flush()
