"""Waits for the answer to a call that asks: a moment here, then by suspending the task.

A suspended task has no pod and no process. The answer is written into the journal as that of the call, the task is
claimed again, and its orchestrator comes by replay to that very call.
"""

import asyncio
import time
from typing import Any

from agent_pod.calls.journal import Asked
from agent_pod.run.answer import WAITING
from agent_pod.run.current_task import Work
from agent_pod.run.outage import through_outage
from agent_pod.run.task_calls import REPEAT, STARTED
from kernel.errors import LeaseLost
from kernel.functions import Kernel
from kernel.journal_models import Replay
from kernel.models import Json

_LOOK_SECONDS = 0.2


class Suspension:
    """One for a pod. `inline_seconds`: how long a task waits in its pod before it leaves it."""

    def __init__(self, kernel: Kernel, inline_seconds: float):
        self._kernel = kernel
        self._inline_seconds = inline_seconds

    async def wait(self, asked: Asked, question: Json) -> tuple[Any, bool] | None:
        """The answer of a call that is written down, and whether it is a good one; None: the call is to be made again.

        Where the task was suspended its orchestrator has ended by then, and the answer reaches nobody.
        """
        work, call_id = asked.work, asked.call_id
        assert call_id is not None
        await through_outage(work, lambda: self._kernel.ask_question(work.task, call_id, question))
        work.calls.asking.add(call_id)
        leave_at = time.monotonic() + self._inline_seconds
        while not work.ended.is_set():
            answer = None if work.calls.suspended else await self._answer(asked)
            if answer is not None and answer.outcome != STARTED:
                work.calls.asking.discard(call_id)
                return None if answer.outcome == REPEAT else (answer.response, answer.outcome == "ok")
            # Another call of this run may have begun to leave while the answer was looked up.
            if time.monotonic() >= leave_at and work.calls.running == 0 and not work.calls.suspended:
                await self._leave(work)
            else:
                await asyncio.sleep(_LOOK_SECONDS)
        return {"error": "the task waits, and its orchestrator has ended"}, False

    async def _answer(self, asked: Asked) -> Replay:
        work, call_id = asked.work, asked.call_id
        assert call_id is not None
        try:
            return await through_outage(work, lambda: self._kernel.await_answer(work.task, call_id))
        except LeaseLost:
            if asked.work.calls.suspended:  # by another call of this run
                return Replay(response=None, outcome=STARTED)
            raise

    async def _leave(self, work: Work) -> None:
        """Suspend the task and end its run, unless an answer is there."""
        work.calls.suspended = True  # from here on a lost lease is our own doing
        asking = sorted(work.calls.asking)
        state = await through_outage(work, lambda: self._kernel.suspend_task(work.task, asking))
        if state == "answered":
            work.calls.suspended = False
        else:
            work.stop(WAITING)
