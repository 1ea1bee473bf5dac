"""The functions of init.sql that only read, one method each. Row-level security shows the caller's tenant alone."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from kernel.base import KernelBase
from kernel.document_models import Document, DocumentSummary, Passage
from kernel.errors import NotFound
from kernel.journal_models import Call, CallKind, Cost
from kernel.models import (
    Agent,
    Decision,
    DecisionSummary,
    Definition,
    DefinitionSummary,
    Event,
    FoundInstance,
    Instance,
    Json,
    Orchestrator,
    Pod,
    PodStatus,
    ProcessStatus,
    QueueDepth,
    Record,
    Task,
    TaskStatus,
)
from kernel.postgres import Row

_R = TypeVar("_R", bound=Record)


class ReadFunctions(KernelBase):
    """Pages are keyed by id: `before` goes from new to old, `after` from old to new or by name."""

    async def find_definitions(
        self,
        definition_id: str | None = None,
        *,
        before: int | None = None,
        after: str | None = None,
        text: str | None = None,
        limit: int | None = None,
    ) -> list[DefinitionSummary]:
        """The newest version of each definition by id, or all versions of one, newest first.

        `after`, `text` (part of id or name) are for the former, `before` (a version) for the latter.
        """
        rows = await self._call(
            "find_definitions", id=definition_id, before=before, after=after, text=text, limit=limit
        )
        return _all(DefinitionSummary, rows)

    async def get_definition(self, definition_id: str, version: int | None = None) -> Definition | None:
        """One version; None for `version` is the newest."""
        return _one(Definition, await self._call("get_definition", id=definition_id, version=version))

    async def find_decisions(
        self, decision_id: str | None = None, *, after: str | None = None, limit: int | None = None
    ) -> list[DecisionSummary]:
        """The newest version of each decision by id (from behind `after` on), or all versions of one, newest first."""
        rows = await self._call("find_decisions", id=decision_id, after=after, limit=limit)
        return _all(DecisionSummary, rows)

    async def get_decision(self, decision_id: str, version: int | None = None) -> Decision | None:
        """One version; None for `version` is the newest."""
        return _one(Decision, await self._call("get_decision", id=decision_id, version=version))

    async def get_instance(self, instance_id: UUID) -> Instance | None:
        """One instance."""
        return _one(Instance, await self._call("get_instance", proc_inst_id=instance_id))

    async def require_instance(self, instance_id: UUID) -> Instance:
        """One instance. Raises NotFound."""
        instance = await self.get_instance(instance_id)
        if instance is None:
            remedy = "GET /instances lists them."
            raise NotFound(f"There is no process instance {instance_id}.", "instance_unknown", remedy)
        return instance

    async def find_instances(
        self,
        status: ProcessStatus | None = None,
        definition_id: str | None = None,
        before: UUID | None = None,
        limit: int = 50,
        *,
        version: int | None = None,
        initiator: str | None = None,
        started_from: datetime | None = None,
        started_before: datetime | None = None,
        variables: list[Json] | None = None,
    ) -> list[FoundInstance]:
        """Instances, at most 500.

        `variables`: [{"path": [keys], "value": JSON}], all of which must hold. That search looks at 5000 instances at
        most; where it ended without a match, the last row has `is_match` False and its id is where to go on.
        """
        rows = await self._call(
            "find_instances",
            status=status,
            process_definition_id=definition_id,
            before=before,
            limit=limit,
            version=version,
            initiator=initiator,
            started_from=started_from,
            started_before=started_before,
            variables=variables,
        )
        return _all(FoundInstance, rows)

    async def get_task(self, task_id: UUID) -> Task | None:
        """One task."""
        return _one(Task, await self._call("get_task", task_id=task_id))

    async def require_task(self, task_id: UUID) -> Task:
        """One task. Raises NotFound."""
        task = await self.get_task(task_id)
        if task is None:
            raise NotFound(f"There is no task {task_id}.", "task_unknown", "GET /tasks lists them.")
        return task

    async def find_tasks(
        self,
        instance_id: UUID | None = None,
        status: TaskStatus | None = None,
        person: str | None = None,
        before: UUID | None = None,
        limit: int = 50,
        *,
        group: str | None = None,
        definition_id: str | None = None,
        activity_id: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        due_before: datetime | None = None,
    ) -> list[Task]:
        """Tasks, at most 500. `person`: the assignee, or a candidate by name."""
        rows = await self._call(
            "find_tasks",
            proc_inst_id=instance_id,
            status=status,
            person=person,
            before=before,
            limit=limit,
            group=group,
            process_definition_id=definition_id,
            activity_id=activity_id,
            queue=queue,
            priority=priority,
            due_before=due_before,
        )
        return _all(Task, rows)

    async def find_events(
        self,
        instance_id: UUID | None = None,
        after: int = 0,
        limit: int = 200,
        *,
        task_id: UUID | None = None,
        event_type: str | None = None,
        actor: str | None = None,
        upto: int | None = None,
    ) -> list[Event]:
        """Events after event id `after`, up to `upto`, oldest first, at most 1000."""
        rows = await self._call(
            "find_events",
            proc_inst_id=instance_id,
            after=after,
            limit=limit,
            task_id=task_id,
            event_type=event_type,
            actor=actor,
            upto=upto,
        )
        return _all(Event, rows)

    async def find_calls(
        self,
        instance_id: UUID | None = None,
        task_id: UUID | None = None,
        limit: int = 200,
        *,
        after: int = 0,
        kind: CallKind | None = None,
        name: str | None = None,
        outcome: str | None = None,
    ) -> list[Call]:
        """Journal after call id `after`, oldest first, at most 1000."""
        rows = await self._call(
            "find_calls",
            proc_inst_id=instance_id,
            task_id=task_id,
            limit=limit,
            after=after,
            kind=kind,
            name=name,
            outcome=outcome,
        )
        return _all(Call, rows)

    async def instance_cost(self, instance_id: UUID) -> Cost:
        """What the instance's calls came to."""
        return Cost.model_validate((await self._call("instance_cost", proc_inst_id=instance_id))[0])

    async def find_documents(
        self,
        title: str | None = None,
        source: str | None = None,
        media_type: str | None = None,
        instance_id: UUID | None = None,
        before: UUID | None = None,
        limit: int = 50,
    ) -> list[DocumentSummary]:
        """Documents, at most 500. `title`: a part of the title in any case; `source`: how the source begins."""
        rows = await self._call(
            "find_documents",
            title=title,
            source=source,
            media_type=media_type,
            proc_inst_id=instance_id,
            before=before,
            limit=limit,
        )
        return _all(DocumentSummary, rows)

    async def get_document(self, document_id: UUID) -> Document | None:
        """One document with its text."""
        return _one(Document, await self._call("get_document", doc_id=document_id))

    async def search_documents(
        self, query: str, embedding_model: str, embedding: list[float], limit: int
    ) -> list[Passage]:
        """The passages nearest to `query` by words and by meaning, best first, at most 50.

        `embedding`: the query's vector by `embedding_model`, 1536 numbers.
        """
        rows = await self._call(
            "search_documents", query=query, embedding_model=embedding_model, embedding=embedding, limit=limit
        )
        return _all(Passage, rows)

    async def find_agents(self, after: str | None = None, limit: int | None = None) -> list[Agent]:
        """The tenant's agents by id."""
        return _all(Agent, await self._call("find_agents", after=after, limit=limit))

    async def find_orchestrators(self, after: str | None = None, limit: int | None = None) -> list[Orchestrator]:
        """Orchestrators that pods have registered, by id."""
        return _all(Orchestrator, await self._call("find_orchestrators", after=after, limit=limit))

    async def find_pods(
        self, status: PodStatus | None = None, after: UUID | None = None, limit: int | None = None
    ) -> list[Pod]:
        """Pods that lived within the last day, by id."""
        return _all(Pod, await self._call("find_pods", status=status, after=after, limit=limit))

    async def queue_depths(self) -> list[QueueDepth]:
        """Gauges of each queue over all tenants."""
        return _all(QueueDepth, await self._call("queue_depths"))


def _all(kind: type[_R], rows: list[Row]) -> list[_R]:
    return [kind.model_validate(row) for row in rows]


def _one(kind: type[_R], rows: list[Row]) -> _R | None:
    return kind.model_validate(rows[0]) if rows else None
