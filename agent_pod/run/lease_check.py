"""Asks before something is paid for or done outside whether the task is still ours.

A pod may sleep past its lease at any moment: frozen, or starved. So the check comes when the connection stands and the
next thing is to write the request, also for one that is made again. A pod that is frozen between the two sends it when
it wakes: what is in flight then cannot be called back.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from agent_pod.run.current_task import Work
from agent_pod.run.outage import through_outage
from kernel.functions import Kernel


async def check_lease(kernel: Kernel, work: Work) -> None:
    """Raise LeaseLost where the task is somebody else's by now. The database is asked only where the pod's own clock
    leaves it open."""
    if not work.is_held():
        await through_outage(work, lambda: kernel.journalled_calls(work.task))


def directly_before_writing(check: Callable[[], Awaitable[None]]) -> Callable[[str, Any], Awaitable[None]]:
    """A "trace" extension for a request of httpx or httpx2 that awaits `check` when the connection is there and nothing
    of the request has been written. Where it raises, nothing is, and the request raises the same.

    The events are those of https://www.encode.io/httpcore/extensions/#trace.
    """

    async def trace(event: str, _info: Any) -> None:
        if event.endswith(".send_request_headers.started"):
            await check()

    return trace
