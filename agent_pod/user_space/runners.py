"""Warm child processes, kept for the next task of the same orchestrator, tenant and agent, and for nobody else."""

from collections import OrderedDict

from agent_pod.user_space.registry import OrchestratorDeclaration
from agent_pod.user_space.runner import Limits, Runner
from kernel.models import ClaimedTask

_Key = tuple[str, str, str | None]


class Runners:
    """At most `most` idle runners; the one unused for longest goes first."""

    def __init__(self, declarations: dict[str, OrchestratorDeclaration], limits: Limits, most: int):
        self._declarations = declarations
        self._limits = limits
        self._most = most
        self._idle: OrderedDict[_Key, Runner] = OrderedDict()

    async def take(self, task: ClaimedTask) -> Runner:
        """A runner for `task`: a warm one, or a new one. Raises OSError where none can be started."""
        runner = self._idle.pop(_key(task), None)
        if runner is not None and runner.alive:
            return runner
        if runner is not None:
            await runner.close()
        runner = Runner(self._declarations[task.agent_orch], self._limits)
        await runner.start()
        return runner

    async def give_back(self, task: ClaimedTask, runner: Runner) -> None:
        """Keep a runner that answered well."""
        self._idle[_key(task)] = runner
        if len(self._idle) > self._most:
            _, oldest = self._idle.popitem(last=False)
            await oldest.close()

    async def close(self) -> None:
        """End all idle runners."""
        while self._idle:
            _, runner = self._idle.popitem()
            await runner.close()


def _key(task: ClaimedTask) -> _Key:
    return task.agent_orch, task.tenant_id, task.agent_id
