"""The functions of init.sql that an agent pod calls, one method each."""

from typing import Any
from uuid import UUID

from kernel.base import KernelBase
from kernel.models import ClaimedTask, Json, Pod, Renewal


class PodFunctions(KernelBase):
    """Claiming, renewing and ending tasks. Every write about a task is refused with LeaseLost on a stale token."""

    async def register_pod(self, pod_id: UUID, name: str, serves: list[Json], address: str | None) -> Pod:
        """Announce this boot and its orchestrators (`serves`: [{id, description}])."""
        rows = await self._call("register_pod", pod_id=pod_id, name=name, serves=serves, address=address)
        return Pod.model_validate(rows[0])

    async def heartbeat_pod(self, pod_id: UUID, status: str) -> None:
        """Say that the pod lives. `status`: READY, DRAINING or STOPPED."""
        await self._call("heartbeat_pod", pod_id=pod_id, status=status)

    async def next_task(
        self, pod_id: UUID, queues: list[str], lease_seconds: int, done: Json | None = None
    ) -> ClaimedTask | None:
        """End the last task (`done`, see kernel.finish_task in init.sql), then claim the next: one commit.

        Returns None when no queue of `queues` has a task. Raises LeaseLost or InstanceChanged when `done` is
        refused; then nothing was claimed either.
        """
        rows = await self._call("next_task", pod_id=pod_id, queues=queues, lease_seconds=lease_seconds, done=done)
        return ClaimedTask.model_validate(rows[0]) if rows else None

    async def renew_lease(self, task: ClaimedTask, lease_seconds: int) -> Renewal:
        """Prolong the lease of `task` to `lease_seconds` from now."""
        rows = await self._call("renew_lease", **_claim(task), lease_seconds=lease_seconds)
        return Renewal.model_validate(rows[0])

    async def record_call(self, task: ClaimedTask, call: Json) -> None:
        """Write a model or tool call to the journal; `call` as in record_call of init.sql."""
        await self._call("record_call", **_claim(task), call=call)

    async def report_progress(self, task: ClaimedTask, message: str, data: Json | None = None) -> None:
        """Write a TASK_PROGRESS event."""
        await self._call("report_progress", **_claim(task), message=message, data=data)

    async def save_task_document(
        self,
        task: ClaimedTask,
        title: str,
        content: str,
        sources: list[Any],
        embedding_model: str,
        chunks: list[Json],
    ) -> UUID:
        """Store a Markdown document that the task made, with its citations. Returns its id."""
        rows = await self._call(
            "save_task_document",
            **_claim(task),
            title=title,
            content=content,
            sources=sources,
            embedding_model=embedding_model,
            chunks=chunks,
        )
        return UUID(str(rows[0]["doc_id"]))


def _claim(task: ClaimedTask) -> dict[str, Any]:
    return {"tenant_id": task.tenant_id, "task_id": task.task_id, "fencing_token": task.fencing_token}
