"""The functions of init.sql that the execution API calls to change something, one method each.

The tenant is the one of the kernel's claims.
"""

from uuid import UUID

from kernel.base import KernelBase
from kernel.document_models import DeletedDocument
from kernel.models import Agent, DecisionSummary, DefinitionSummary, Json, MessageSent, SignalSent, Started, Submitted


class ApiFunctions(KernelBase):
    """Deploying, starting, submitting, cancelling."""

    async def deploy_definition(
        self, definition_id: str, name: str, bpmn: str, spec: Json, orchestrators: list[str]
    ) -> DefinitionSummary:
        """Add a version; the same BPMN as the newest version's gives that one (`is_new` False).

        Raises InvalidInput where no pod has registered one of `orchestrators`.
        """
        rows = await self._call(
            "deploy_definition", id=definition_id, name=name, bpmn=bpmn, spec=spec, orchestrators=orchestrators
        )
        return DefinitionSummary.model_validate(rows[0])

    async def deploy_decisions(self, dmn: str, decisions: list[Json]) -> list[DecisionSummary]:
        """Add a version of each decision ({id, name, spec}) of one DMN file, in their order; one whose file is that of
        its newest version gives that one (`is_new` False)."""
        return [
            DecisionSummary.model_validate(row)
            for row in await self._call("deploy_decisions", dmn=dmn, decisions=decisions)
        ]

    async def start_instance(
        self,
        definition_id: str,
        version: int,
        initiator: str,
        step: Json,
        idempotency_key: str | None = None,
        fingerprint: str | None = None,
    ) -> Started:
        """Make an instance with the engine's first `step` (see kernel.apply_step in init.sql; revision 0)."""
        rows = await self._call(
            "start_instance",
            process_definition_id=definition_id,
            version=version,
            initiator=initiator,
            step=step,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
        )
        return Started.model_validate(rows[0])

    async def submit_task(
        self,
        task_id: UUID,
        output: Json,
        step: Json | None = None,
        incident: Json | None = None,
        idempotency_key: str | None = None,
        fingerprint: str | None = None,
    ) -> Submitted:
        """End a person's task with `output` and move its instance by `step`, or open an `incident`
        {revision, reason} that says why it cannot go on from that revision.

        Raises NotFound, Conflict (the task is not in TODO), InstanceChanged.
        """
        rows = await self._call(
            "submit_task",
            task_id=task_id,
            output=output,
            step=step,
            incident=incident,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
        )
        return Submitted.model_validate(rows[0])

    async def cancel_instance(self, instance_id: UUID, reason: str) -> None:
        """Cancel an instance and its open tasks. Raises NotFound, Conflict (it has ended)."""
        await self._call("cancel_instance", proc_inst_id=instance_id, reason=reason)

    async def publish_message(
        self,
        name: str,
        correlation_key: str,
        variables: Json,
        ttl_seconds: int,
        initiator: str,
        idempotency_key: str | None = None,
        fingerprint: str | None = None,
    ) -> MessageSent:
        """Send a message to the one who waits for `name` and `correlation_key`, or keep it for `ttl_seconds`."""
        rows = await self._call(
            "publish_message",
            name=name,
            correlation_key=correlation_key,
            variables=variables,
            ttl_seconds=ttl_seconds,
            initiator=initiator,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
        )
        return MessageSent.model_validate(rows[0])

    async def publish_signal(
        self,
        name: str,
        variables: Json,
        initiator: str,
        idempotency_key: str | None = None,
        fingerprint: str | None = None,
    ) -> SignalSent:
        """Send a signal to everything in the tenant that waits for `name` now."""
        rows = await self._call(
            "publish_signal",
            name=name,
            variables=variables,
            initiator=initiator,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
        )
        return SignalSent.model_validate(rows[0])

    async def enqueue_tasks(self, tasks: list[Json]) -> list[UUID]:
        """Add tasks that stand alone (fields: kernel.insert_tasks in init.sql). Returns their ids in order."""
        return [UUID(str(row["task_id"])) for row in await self._call("enqueue_tasks", tasks=tasks)]

    async def save_agent(self, agent: Agent) -> Agent:
        """Add an agent or replace the one with the same id."""
        saved = await self._call("save_agent", **{**agent.model_dump(), "limits": agent.limits.given()})
        return Agent.model_validate(saved[0])

    async def save_documents(self, embedding_model: str, documents: list[Json]) -> list[UUID]:
        """Store documents, all or none; the same `source` replaces one. Returns their ids in order.

        `documents`: [{title, source, media_type, content, chunks: [{chunk, heading, content, embedding}]}].
        """
        rows = await self._call("save_documents", embedding_model=embedding_model, documents=documents)
        return [UUID(str(row["doc_id"])) for row in rows]

    async def delete_document(self, document_id: UUID) -> DeletedDocument:
        """Delete a document with its passages. Raises NotFound where there is none."""
        return DeletedDocument.model_validate((await self._call("delete_document", doc_id=document_id))[0])
