"""The functions of init.sql by which people share work and repair it, one method each.

The caller is the person of the claims, or the program behind an API key. Whoever has the scope `operate` may act on
tasks of others; everybody else gets Forbidden. All raise NotFound, and Conflict where the status does not allow it.
"""

from typing import Any
from uuid import UUID

from kernel.base import KernelBase
from kernel.journal_models import Question
from kernel.limit_models import TenantLimits
from kernel.models import Json, Limits, Task


class PeopleFunctions(KernelBase):
    """The inbox, who has which task, and taking up what failed. Each change returns the task as it is then."""

    async def find_inbox(
        self,
        person: str | None = None,
        groups: list[str] | None = None,
        claimed: bool | None = None,
        after: UUID | None = None,
        limit: int = 50,
    ) -> list[Task]:
        """What waits for `person` in `groups` (None: the caller), at most 500.

        Their own tasks first, then what they may claim; each by priority, due time and age. `claimed`: only the former
        (True) or the latter (False). `after`: id of the last task of the page before.
        """
        return await self._tasks("find_inbox", person=person, groups=groups, claimed=claimed, after=after, limit=limit)

    async def claim_task(self, task_id: UUID, person: str | None = None) -> Task:
        """Take a task of the caller's groups; `person`: for whom, where the caller speaks for others."""
        return (await self._tasks("claim_task", task_id=task_id, person=person))[0]

    async def release_task(self, task_id: UUID) -> Task:
        """Give a task back: to who delegated it, or to its groups."""
        return (await self._tasks("release_task", task_id=task_id))[0]

    async def delegate_task(self, task_id: UUID, person: str) -> Task:
        """Let `person` do it; a release gives it back."""
        return (await self._tasks("delegate_task", task_id=task_id, person=person))[0]

    async def reassign_task(self, task_id: UUID, person: str | None, groups: list[str] | None) -> Task:
        """Give a task to `person` (None: to nobody in particular), and to other `groups` (None: they stay).

        Raises InvalidInput where neither is left.
        """
        return (await self._tasks("reassign_task", task_id=task_id, person=person, groups=groups))[0]

    async def change_task(self, task_id: UUID, change: Json) -> Task:
        """Change what `change` holds: `priority` (1 to 5), `due_at` (ISO time or None)."""
        return (await self._tasks("change_task", task_id=task_id, change=change))[0]

    async def retry_task(self, task_id: UUID) -> Task:
        """Take a FAILED task up again, with all its attempts."""
        return (await self._tasks("retry_task", task_id=task_id))[0]

    async def extend_task(self, task_id: UUID, limits: Limits, reason: str) -> Task:
        """Let a task use more: `limits` is added to its own. One that is FAILED is taken up again.

        Raises InvalidInput where `limits` holds nothing.
        """
        return (await self._tasks("extend_task", task_id=task_id, limits=limits.given(), reason=reason))[0]

    async def get_budget(self) -> TenantLimits:
        """What the caller's tenant may use, and has used in the day and month at hand."""
        return TenantLimits.model_validate((await self._call("get_budget"))[0])

    async def retry_instance(self, instance_id: UUID) -> list[Task]:
        """Take all FAILED tasks of an instance up again, oldest first."""
        return await self._tasks("retry_instance", proc_inst_id=instance_id)

    async def find_questions(
        self, task_id: UUID | None = None, mine: bool = False, after: UUID | None = None, limit: int = 50
    ) -> list[Question]:
        """Open questions, or all of one task; `mine`: only those that are for the caller. Oldest first, at most 500."""
        rows = await self._call("find_questions", task_id=task_id, mine=mine, after=after, limit=limit)
        return [Question.model_validate(row) for row in rows]

    async def get_question(self, question_id: UUID) -> Question | None:
        """One question."""
        rows = await self._call("find_questions", question_id=question_id)
        return Question.model_validate(rows[0]) if rows else None

    async def answer_question(self, question_id: UUID, answer: Any) -> Question:
        """Answer a question that is open; its task goes on."""
        rows = await self._call("answer_question", question_id=question_id, answer={"answer": answer})
        return Question.model_validate(rows[0])

    async def _tasks(self, function: str, **args: Any) -> list[Task]:
        return [Task.model_validate(row) for row in await self._call(function, **args)]
