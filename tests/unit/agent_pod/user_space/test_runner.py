"""Whatever a child process does, the run ends with a reason, the end of its output, and nothing left running."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from agent_pod.claiming.execution import _judged
from agent_pod.run.answer import Answer, Done, Failed, Stopped
from agent_pod.run.current_task import Desk
from agent_pod.user_space import process_tree
from agent_pod.user_space.registry import OrchestratorDeclaration
from agent_pod.user_space.runner import Limits, Runner
from kernel.models import ClaimedTask

HERE = Path(__file__).parent
ORCHESTRATORS = Path(__file__).resolve().parents[3] / "orchestrators"
LIMITS = Limits(output_bytes=4 << 20, processes=20, user=None)
Run = Callable[..., Awaitable[Answer]]


def declaration(program: str, *arguments: str, memory_mb: int = 200) -> OrchestratorDeclaration:
    return OrchestratorDeclaration(
        name="naughty",
        description="for tests",
        command=["{python}", f"{{here}}/{program}", *arguments],
        memory_mb=memory_mb,
        folder=ORCHESTRATORS,
    )


def message(**given: Any) -> dict[str, Any]:
    return {
        "type": "task", "task_id": "t-1", "token": "task-token", "model_url": "http://127.0.0.1:9/v1",
        "tools_url": "http://127.0.0.1:9/mcp", "instruction": "", "input": given, "output_schema": None, "agent": None,
        "model": "m", "attempt": 1, "process": None,
    }  # fmt: skip


def never() -> "asyncio.Future[str]":
    return asyncio.get_running_loop().create_future()


@pytest.fixture
async def naughty() -> AsyncIterator[Runner]:
    runner = Runner(declaration("naughty.py"), LIMITS)
    await runner.start()
    yield runner
    await runner.close()


async def failure(runner: Runner, timeout_seconds: float = 60, **given: Any) -> Failed:
    answer = await runner.run(message(**given), timeout_seconds, never())
    assert isinstance(answer, Failed), answer
    return answer


async def test_a_warm_child_answers_one_task_after_another(naughty: Runner) -> None:
    answers = [await naughty.run(message(do="answer"), 60, never()) for _ in range(3)]
    pids = {answer.output["pid"] for answer in answers if isinstance(answer, Done)}
    assert len(pids) == 1 and naughty.alive


async def test_a_crash_is_told_with_its_exit_code_and_last_words(naughty: Runner) -> None:
    failed = await failure(naughty, do="crash")
    assert failed.reason == "the orchestrator exited with code 7 before it answered: about to fall"
    assert failed.retryable and failed.broken and "about to fall" in failed.log_tail


async def test_a_signal_is_told(naughty: Runner) -> None:
    assert "killed by signal 11" in (await failure(naughty, do="be_killed")).reason


async def test_a_kill_from_outside_is_no_fault_of_the_answers_it_had(naughty: Runner) -> None:
    failed = await failure(naughty, do="be_killed", signal=9)
    assert failed.by_chance and "killed by signal 9" in failed.reason
    work = Desk().open(cast(ClaimedTask, None))
    work.calls.replayed = 1
    assert not _judged(work, failed).afresh, "what it had been answered would be paid again"
    assert _judged(work, replace(failed, by_chance=False)).afresh


async def test_a_hanging_child_times_out(naughty: Runner) -> None:
    failed = await failure(naughty, timeout_seconds=1, do="hang")
    assert failed.reason == "timed out: no answer within 1 s"
    assert "thinking for ever" in failed.log_tail


async def test_a_flood_ends_the_run_and_keeps_only_its_tail(naughty: Runner) -> None:
    failed = await failure(naughty, do="flood")
    assert "flooded its log: more than 4194304 bytes" in failed.reason
    assert len(failed.log_tail) <= 8192


async def test_eating_memory_ends_the_run(naughty: Runner) -> None:
    assert (await failure(naughty, do="eat_memory")).reason == "out of memory: more than 200 MB"


async def test_eating_memory_faster_than_it_is_watched_meets_a_wall(naughty: Runner) -> None:
    assert "MemoryError" in (await failure(naughty, do="eat_memory_at_once")).reason


async def test_forking_too_much_ends_the_run(naughty: Runner) -> None:
    assert (await failure(naughty, do="fork_many")).reason == "forked too much: more than 20 processes"


async def test_closing_a_runner_leaves_no_process_behind_even_outside_its_group() -> None:
    runner = Runner(declaration("naughty.py"), LIMITS)
    await runner.start()
    assert "exited with code 3" in (await failure(runner, do="leave_children")).reason
    cookie = runner._cookie  # the mark by which its processes are known
    assert len(process_tree._carriers(cookie)) == 2
    await runner.close()
    assert process_tree._carriers(cookie) == []


async def test_an_exception_in_the_orchestrator_fails_the_task_and_keeps_the_child(naughty: Runner) -> None:
    failed = await failure(naughty, do="raise_error")
    assert failed.reason == "ValueError: no such customer" and failed.retryable and not failed.broken
    assert isinstance(await naughty.run(message(do="answer"), 60, never()), Done)


async def test_a_refusal_is_not_retryable(naughty: Runner) -> None:
    assert not (await failure(naughty, do="refuse")).retryable


async def test_what_postgresql_cannot_hold_is_replaced(naughty: Runner) -> None:
    failed = await failure(naughty, do="give_nul")
    assert "\0" not in failed.reason + failed.log_tail and "nul" in failed.reason


async def test_a_child_gets_none_of_the_pods_environment(naughty: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "real-key")
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    runner = Runner(declaration("naughty.py"), LIMITS)
    await runner.start()
    names = (await failure(runner, do="show_environment")).log_tail.split()
    await runner.close()
    assert set(names) == {
        "PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH", "PYTHONUNBUFFERED", "FLEET_RUNNER", "LC_CTYPE",
        "OPENAI_BASE_URL", "OPENAI_API_KEY", "MCP_SERVER_URL", "MCP_SERVER_TOKEN",
    } - ({"LC_CTYPE"} - set(names))  # fmt: skip


async def test_a_stop_ends_the_run_at_once(naughty: Runner) -> None:
    stop = never()
    running = asyncio.create_task(naughty.run(message(do="hang"), 60, stop))
    await asyncio.sleep(0)
    stop.set_result("cancelled")
    assert await running == Stopped("cancelled")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("words", "the orchestrator's answer is no message"),
        ("endless", "answer is longer than"),
        ("other_task", "it answers task 'another'"),
        ("close", "closed its answer channel without an answer"),
        ("half", "exited with code 0 before it answered"),
    ],
)
async def test_garbage_on_the_answer_channel_fails_the_task(what: str, reason: str) -> None:
    runner = Runner(declaration("garbage.py", what), LIMITS)
    await runner.start()
    failed = await failure(runner)
    await runner.close()
    assert reason in failed.reason and failed.broken


async def test_a_command_that_does_not_exist_is_told() -> None:
    nowhere = OrchestratorDeclaration(name="x", description="", command=["/no/such/program"], folder=ORCHESTRATORS)
    runner = Runner(nowhere, LIMITS)
    await runner.start()
    failed = await failure(runner)
    await runner.close()
    assert "No such file or directory" in failed.reason


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_a_pod_that_is_root_runs_its_children_as_another_user() -> None:
    nobody = OrchestratorDeclaration(
        name="x", description="", command=["/bin/sh", "-c", "id -un; exit 1"], folder=ORCHESTRATORS
    )
    runner = Runner(nobody, Limits(LIMITS.output_bytes, LIMITS.processes, "nobody"))
    await runner.start()
    failed = await failure(runner)
    await runner.close()
    assert failed.log_tail == "nobody"


async def test_a_child_dies_with_its_pod() -> None:
    script = (
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "from test_runner import *\n"
        "async def main():\n"
        "    runner = Runner(declaration('naughty.py'), LIMITS)\n"
        "    await runner.start()\n"
        "    print(runner._child.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    pod = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert pod.stdout is not None
    child = psutil.Process(int(await pod.stdout.readline()))
    pod.kill()
    await pod.wait()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, [child], 10)
    assert gone and not alive
