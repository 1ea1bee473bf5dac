"""The functions of init.sql that an agent pod calls, one method each."""

from typing import Any
from uuid import UUID

from kernel.base import KernelBase
from kernel.journal_models import JournalledCall, Replay
from kernel.limit_models import Journalled, TaskLimits
from kernel.models import ClaimedTask, Json, Pod, Renewal
from kernel.packing import Packed, Packer


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

    async def record_call(self, task: ClaimedTask, call: Json) -> Journalled:
        """Write a model or tool call to the journal; `call` as in kernel.write_call of init.sql.

        `request` and `response` are given whole or as Packed.
        """
        packed = {name: _packed(call[name]) for name in ("request", "response") if name in call}
        content = {
            "blobs": [blob for value in packed.values() for blob in value.blobs.values()],
            "lists": [node for value in packed.values() for node in value.lists.values()],
        }
        written = {**call, **{name: value.skeleton for name, value in packed.items()}, **content}
        rows = await self._call("journal_call", **_claim(task), call=written)
        return Journalled.model_validate(rows[0])

    async def task_limits(self, task: ClaimedTask) -> TaskLimits:
        """What a run of `task` may use, and what the runs before it used."""
        return TaskLimits.model_validate((await self._call("task_limits", **_claim(task)))[0])

    async def warn_of_limit(self, task: ClaimedTask, kind: str, data: Json, period: str | None = None) -> bool:
        """Write a LIMIT_NEAR event with `data`, where there is none yet for this limit of the task, or for this kind of
        the tenant's budget for the `period` (day or month) at hand; whether it was written."""
        rows = await self._call("warn_of_limit", **_claim(task), kind=kind, data=data, period=period)
        return bool(rows[0]["warned"])

    async def journalled_calls(self, task: ClaimedTask) -> list[JournalledCall]:
        """What earlier runs of `task` asked and can be answered again, or started and never ended."""
        rows = await self._call("journalled_calls", **_claim(task))
        return [JournalledCall.model_validate(row) for row in rows]

    async def replay_calls(self, task: ClaimedTask, call_ids: list[int]) -> dict[int, Replay]:
        """The answers of journalled calls: of the first, and of as many more, in order, as are small together."""
        rows = await self._call("replay_calls", **_claim(task), call_ids=call_ids)
        return {row["call_id"]: Replay.model_validate(row) for row in rows}

    async def ask_question(self, task: ClaimedTask, call_id: int, question: Json) -> UUID:
        """Let call `call_id` ask; `question` as in ask_question of init.sql. Returns the question's id."""
        rows = await self._call("ask_question", **_claim(task), call_id=call_id, question=question)
        return UUID(str(rows[0]["question_id"]))

    async def await_answer(self, task: ClaimedTask, call_id: int) -> Replay:
        """The answer of a call that asked; its outcome is "started" or "repeat" as long as there is none."""
        return Replay.model_validate((await self._call("await_answer", **_claim(task), call_id=call_id))[0])

    async def suspend_task(self, task: ClaimedTask, call_ids: list[int]) -> str:
        """Let `task` wait without a pod for the calls that ask. Returns "waiting", or "answered" where it need not."""
        return (await self._call("suspend_task", **_claim(task), call_ids=call_ids))[0]["state"]

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
        idempotency_key: UUID,
    ) -> UUID:
        """Store a Markdown document that the task made, with its citations. Returns its id.

        The same key again stores nothing and returns the id of the document that it stored.
        """
        rows = await self._call(
            "save_task_document",
            **_claim(task),
            title=title,
            content=content,
            sources=sources,
            embedding_model=embedding_model,
            chunks=chunks,
            idempotency_key=idempotency_key,
        )
        return UUID(str(rows[0]["doc_id"]))


def _packed(value: Any) -> Packed:
    return value if isinstance(value, Packed) else Packer().pack(value)


def _claim(task: ClaimedTask) -> dict[str, Any]:
    return {"tenant_id": task.tenant_id, "task_id": task.task_id, "fencing_token": task.fencing_token}
