"""The functions of init.sql that only read, one method each. Row-level security shows the caller's tenant alone."""

from typing import TypeVar
from uuid import UUID

from kernel.base import KernelBase
from kernel.models import (
    Agent,
    Call,
    Cost,
    Decision,
    DecisionSummary,
    Definition,
    DefinitionSummary,
    Document,
    DocumentSummary,
    Event,
    Instance,
    InstanceSummary,
    Orchestrator,
    Passage,
    Pod,
    ProcessStatus,
    QueueDepth,
    Record,
    Task,
    TaskStatus,
)
from kernel.postgres import Row

_R = TypeVar("_R", bound=Record)


class ReadFunctions(KernelBase):
    """Lists are newest first and keyed by id (`before`: the last id of the page before); events are oldest first."""

    async def find_definitions(self, definition_id: str | None = None) -> list[DefinitionSummary]:
        """All versions of all definitions, or of one."""
        return _all(DefinitionSummary, await self._call("find_definitions", id=definition_id))

    async def get_definition(self, definition_id: str, version: int | None = None) -> Definition | None:
        """One version; None for `version` is the newest."""
        return _one(Definition, await self._call("get_definition", id=definition_id, version=version))

    async def find_decisions(self, decision_id: str | None = None) -> list[DecisionSummary]:
        """All versions of all decisions, or of one."""
        return _all(DecisionSummary, await self._call("find_decisions", id=decision_id))

    async def get_decision(self, decision_id: str, version: int | None = None) -> Decision | None:
        """One version; None for `version` is the newest."""
        return _one(Decision, await self._call("get_decision", id=decision_id, version=version))

    async def get_instance(self, instance_id: UUID) -> Instance | None:
        """One instance."""
        return _one(Instance, await self._call("get_instance", proc_inst_id=instance_id))

    async def find_instances(
        self,
        status: ProcessStatus | None = None,
        definition_id: str | None = None,
        before: UUID | None = None,
        limit: int = 50,
    ) -> list[InstanceSummary]:
        """Instances, at most 500."""
        rows = await self._call(
            "find_instances", status=status, process_definition_id=definition_id, before=before, limit=limit
        )
        return _all(InstanceSummary, rows)

    async def get_task(self, task_id: UUID) -> Task | None:
        """One task."""
        return _one(Task, await self._call("get_task", task_id=task_id))

    async def find_tasks(
        self,
        instance_id: UUID | None = None,
        status: TaskStatus | None = None,
        person: str | None = None,
        before: UUID | None = None,
        limit: int = 50,
    ) -> list[Task]:
        """Tasks, at most 500. `person`: an assignee or a candidate group."""
        rows = await self._call(
            "find_tasks", proc_inst_id=instance_id, status=status, person=person, before=before, limit=limit
        )
        return _all(Task, rows)

    async def find_events(self, instance_id: UUID | None = None, after: int = 0, limit: int = 200) -> list[Event]:
        """Events after event id `after`, oldest first, at most 1000."""
        return _all(Event, await self._call("find_events", proc_inst_id=instance_id, after=after, limit=limit))

    async def find_calls(
        self, instance_id: UUID | None = None, task_id: UUID | None = None, limit: int = 200
    ) -> list[Call]:
        """Journal of an instance or a task, oldest first, at most 1000."""
        return _all(Call, await self._call("find_calls", proc_inst_id=instance_id, task_id=task_id, limit=limit))

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

    async def find_agents(self) -> list[Agent]:
        """The tenant's agents."""
        return _all(Agent, await self._call("find_agents"))

    async def find_orchestrators(self) -> list[Orchestrator]:
        """All orchestrators that pods have registered."""
        return _all(Orchestrator, await self._call("find_orchestrators"))

    async def find_pods(self) -> list[Pod]:
        """Pods that lived within the last day."""
        return _all(Pod, await self._call("find_pods"))

    async def queue_depths(self) -> list[QueueDepth]:
        """Gauges of each queue over all tenants."""
        return _all(QueueDepth, await self._call("queue_depths"))


def _all(kind: type[_R], rows: list[Row]) -> list[_R]:
    return [kind.model_validate(row) for row in rows]


def _one(kind: type[_R], rows: list[Row]) -> _R | None:
    return kind.model_validate(rows[0]) if rows else None
