"""One run of a task: open the desk, hold the lease, run the orchestrator, check its answer, close the desk.

The result is what `next_task` is told about the task, or None where there is nothing to say: the task was cancelled,
taken back by a kill switch, or is somebody else's by now.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from agent_pod.claiming.keeper import Keeper
from agent_pod.run.answer import LIMIT, SICK, WAITING, Answer, Done, Failed, Stopped
from agent_pod.run.current_task import Desk, Work
from agent_pod.user_space.runners import Runners
from kernel.error_classes import ErrorClass
from kernel.functions import Kernel
from kernel.models import AgentMode, ClaimedTask, Json
from process_engine.committing import advance
from process_engine.elements.task_errors import throws_error
from process_engine.values import schema_check

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoints:
    """What an orchestrator is told of its pod: the two endpoints and the default model."""

    model_url: str
    tools_url: str
    model: str


class Execution:
    """Runs tasks one at a time. `stop` ends the run at hand from outside."""

    def __init__(self, kernel: Kernel, desk: Desk, keeper: Keeper, runners: Runners, endpoints: Endpoints):
        self._kernel = kernel
        self._desk = desk
        self._keeper = keeper
        self._runners = runners
        self._endpoints = endpoints
        self._stop: asyncio.Future[str] | None = None

    async def run(self, task: ClaimedTask) -> Answer:
        """Run the orchestrator of `task` and check its answer. Never raises for what user space does."""
        if task.agent_id is not None and task.agent is None:
            reason = f"agent {task.agent_id!r} is not known: PUT /agents/{task.agent_id}"
            return Failed(ErrorClass.DEFINITION_INVALID, reason)
        stop = self._stop = asyncio.get_running_loop().create_future()
        self._keeper.hold(task, lambda why: _end(stop, why))
        work = self._desk.open(task, lambda why: _end(stop, why), lambda: self._keeper.holds(task))
        endpoint = urlsplit(self._endpoints.tools_url)
        work.aliases.add_address(str(endpoint.hostname), endpoint.port or 80, "pod")
        try:
            return _judged(work, await self._ask(work, stop))
        finally:
            self._desk.clear()

    def stop(self, why: str) -> None:
        """End the run at hand because the pod is "draining". Nothing happens where none is at hand."""
        if self._stop is not None:
            _end(self._stop, why)

    async def outcome(self, task: ClaimedTask, answer: Answer) -> Json | None:
        """What to tell the database about `task` (`p_done` of next_task in init.sql)."""
        if isinstance(answer, Stopped):
            return _done(task, "released") if answer.why in ("draining", SICK) else None
        if isinstance(answer, Failed):
            return _failed(task, answer)
        if task.agent_mode == AgentMode.DRAFT:
            return _done(task, "draft", output=answer.output)
        kernel = self._kernel.as_tenant(task.tenant_id, f"task:{task.task_id}")
        step, incident = await advance.step_after(kernel, task, answer.output)
        if incident is not None:
            failed = Failed(ErrorClass.DEFINITION_INVALID, incident["reason"], output=answer.output)
            return _failed(task, failed, revision=incident["revision"])
        return _done(task, "done", output=answer.output, step=step)

    async def _ask(self, work: Work, stop: "asyncio.Future[str]") -> Answer:
        task = work.task
        try:
            runner = await self._runners.take(task)
        except OSError as error:
            logger.error("no child process can be started here, so the task is handed back: %s", error)
            return Stopped(SICK)
        keep = False
        work.aliases.add(str(runner.home), "home")
        for pattern in runner.declaration.varies:
            work.aliases.add_pattern(pattern)
        try:
            answer = await runner.run(_message(work, self._endpoints), task.timeout_seconds, stop)
            keep = isinstance(answer, Done) or (isinstance(answer, Failed) and not answer.broken)
            return answer
        finally:
            with contextlib.suppress(OSError):
                await (self._runners.give_back(task, runner) if keep else runner.close())


def _end(stop: "asyncio.Future[str]", why: str) -> None:
    if not stop.done():
        stop.set_result(why)


def _message(work: Work, endpoints: Endpoints) -> dict[str, Any]:
    task = work.task
    agent = task.agent
    return {
        "type": "task",
        "task_id": str(task.task_id),
        "token": work.token,
        "model_url": endpoints.model_url,
        "tools_url": endpoints.tools_url,
        "instruction": task.instruction,
        "input": task.input,
        "output_schema": task.output_schema,
        "agent": {"id": agent.agent_id, **agent.model_dump(exclude={"agent_id", "limits"})} if agent else None,
        "model": (agent.model if agent else None) or endpoints.model,
        "attempt": task.attempt,
        "process": {
            "definition_id": task.process_definition_id,
            "instance_id": str(task.proc_inst_id),
            "activity_id": task.activity_id,
            "activity_name": task.name,
            "iteration": task.iteration,
        }
        if task.proc_inst_id
        else None,
    }


def _judged(work: Work, answer: Answer) -> Answer:
    if work.calls.suspended and answer != Stopped("cancelled"):
        return Stopped(WAITING)
    if work.limits.reached is not None and (not isinstance(answer, Stopped) or answer.why == LIMIT):
        return _stopped_softly(work.limits.reached, answer)
    checked = work.troubles.explain(answer) if isinstance(answer, Failed) else _checked(work.task, answer)
    if isinstance(checked, Failed) and work.calls.followed_to_the_letter and not checked.by_chance:
        return replace(checked, afresh=True)  # the next attempt would follow the journal to the same end
    return checked


def _stopped_softly(reason: str, answer: Answer) -> Failed:
    """Whatever the orchestrator made of the refusal, a person decides; what it answered is kept for them."""
    output = answer.output if isinstance(answer, Done | Failed) else None
    log_tail = answer.log_tail if isinstance(answer, Failed) else ""
    return Failed(ErrorClass.LIMIT_REACHED, reason, retryable=False, log_tail=log_tail, output=output)


def _checked(task: ClaimedTask, answer: Answer) -> Answer:
    if not isinstance(answer, Done) or task.output_schema is None or throws_error(answer.output):
        return answer
    try:
        fault = schema_check.fault(task.output_schema, answer.output)
    except ValueError as error:
        return Failed(ErrorClass.DEFINITION_INVALID, f"the output cannot be checked: {error}", output=answer.output)
    if fault is None:
        return answer
    reason = f"the output does not fit the schema: {fault}"
    return Failed(ErrorClass.OUTPUT_INVALID, reason, output=answer.output, afresh=True)


def _failed(task: ClaimedTask, answer: Failed, revision: int | None = None) -> Json:
    return _done(
        task,
        "failed",
        output=answer.output,
        error_class=answer.error_class,
        reason=answer.reason,
        retry_after_seconds=answer.retry_after_seconds,
        retryable=answer.retryable,
        afresh=answer.afresh,
        log_tail=answer.log_tail,
        revision=revision,
    )


def _done(task: ClaimedTask, outcome: str, **more: Any) -> Json:
    return {
        "tenant_id": task.tenant_id,
        "task_id": str(task.task_id),
        "proc_inst_id": str(task.proc_inst_id) if task.proc_inst_id else None,
        "fencing_token": task.fencing_token,
        "outcome": outcome,
        **more,
    }
