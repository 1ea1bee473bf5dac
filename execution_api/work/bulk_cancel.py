"""Cancels many process instances by one request, each in a transaction of its own."""

from execution_api.bodies.rows import BulkCancelled, BulkCancelRequest
from execution_api.requests.problems import ApiProblem
from kernel.errors import Conflict, NotFound
from kernel.functions import Kernel
from kernel.models import InstanceSummary, ProcessStatus

_OPEN = (ProcessStatus.RUNNING, ProcessStatus.ERROR)
_FILTERS = ("status", "process_definition_id", "version", "initiator", "started_from", "started_before")


async def cancel_all(kernel: Kernel, asked: BulkCancelRequest) -> BulkCancelled:
    """Cancel what fits, or in a dry run only find it. Raises ApiProblem 422 where no filter is given."""
    if not asked.model_fields_set & set(_FILTERS):
        detail = "At least one filter must be given, or every open instance of the tenant would be meant."
        remedy = f"Give one of {', '.join(_FILTERS)}."
        raise ApiProblem(422, "filter_missing", detail, field="body", remedy=remedy)
    found = await _find(kernel, asked)
    chosen = found[: asked.most]
    cancelled = 0 if asked.dry_run else sum([await _cancel(kernel, i, asked.reason) for i in chosen])
    return BulkCancelled(
        dry_run=asked.dry_run,
        instances=[instance.id for instance in chosen],
        cancelled=cancelled,
        is_complete=len(found) <= asked.most,
    )


async def _find(kernel: Kernel, asked: BulkCancelRequest) -> list[InstanceSummary]:
    found: list[InstanceSummary] = []
    for status in [ProcessStatus(asked.status)] if asked.status else _OPEN:
        before = None
        while len(found) <= asked.most:
            instances = await kernel.find_instances(
                status,
                asked.process_definition_id,
                before,
                500,
                version=asked.version,
                initiator=asked.initiator,
                started_from=asked.started_from,
                started_before=asked.started_before,
            )
            found += instances
            if len(instances) < 500:
                break
            before = instances[-1].id
    return sorted(found, key=lambda instance: instance.id, reverse=True)


async def _cancel(kernel: Kernel, instance: InstanceSummary, reason: str) -> bool:
    try:
        await kernel.cancel_instance(instance.id, reason)
    except (Conflict, NotFound):  # it ended since it was found
        return False
    return True
