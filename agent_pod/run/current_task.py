"""The desk: the one task at hand, and the token by which its orchestrator is known to the two endpoints."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from agent_pod.run.aliases import Aliases
from agent_pod.run.blame import Troubles
from agent_pod.run.run_limits import RunLimits
from agent_pod.run.task_calls import TaskCalls
from kernel.models import ClaimedTask


@dataclass(frozen=True)
class Work:
    """A claimed task with the token its orchestrator was given; the token is worth nothing after the task.

    `stop` ends the run (with an answer.Stopped), `ended` is set when it is over. `is_held`: whether its lease is surely
    held still, as far as the pod's own clock can say. `servers_down`: MCP servers of the tenant that people were told
    to be out of reach.
    """

    task: ClaimedTask
    token: str
    aliases: Aliases = field(default_factory=Aliases)
    calls: TaskCalls = field(default_factory=TaskCalls)
    troubles: Troubles = field(default_factory=Troubles)
    limits: RunLimits = field(default_factory=RunLimits)
    stop: Callable[[str], None] = lambda why: None
    is_held: Callable[[], bool] = lambda: True
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    servers_down: set[str] = field(default_factory=set[str])


class Desk:
    """Holds at most one Work. `opened` is called with each that is put on it."""

    def __init__(self, opened: Callable[[Work], None] = lambda work: None) -> None:
        self.work: Work | None = None
        self._opened = opened

    def open(
        self,
        task: ClaimedTask,
        stop: Callable[[str], None] = lambda why: None,
        is_held: Callable[[], bool] = lambda: True,
    ) -> Work:
        """Put `task` on the desk with a fresh token. `stop` and `is_held`: see Work."""
        self.work = Work(task, "task-" + secrets.token_urlsafe(24), stop=stop, is_held=is_held)
        self.work.aliases.add(self.work.token, "token")
        self._opened(self.work)
        return self.work

    def clear(self) -> None:
        """Nothing is at hand; its token no longer opens anything."""
        if self.work is not None:
            self.work.ended.set()
            self.work.limits.close()
        self.work = None

    def find(self, authorization: str | None) -> Work | None:
        """The work whose token is in the Authorization header, if it is the one at hand."""
        scheme, _, token = (authorization or "").partition(" ")
        if self.work is None or scheme.lower() != "bearer":
            return None
        return self.work if secrets.compare_digest(token.strip().encode(), self.work.token.encode()) else None
