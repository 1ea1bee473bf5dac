"""Repairs many incidents or instances by one request, each in a transaction of its own."""

from decimal import Decimal
from uuid import UUID

from execution_api.bodies.repair import Repaired, RepairRequest, Repairs
from execution_api.bodies.rows import InstanceCost
from execution_api.requests.variable_search import parse_variables
from kernel.errors import DatabaseUnavailable, FleetError, Refused
from kernel.functions import Kernel
from kernel.models import ProcessStatus
from kernel.repair_models import Incident, PaidAgain
from process_engine.committing import repair
from process_engine.values.errors import EngineError

_NO_JOURNAL = "An event has no journal that could be set aside."
_NOTHING = PaidAgain(model_calls=0, tool_calls=0, input_tokens=0, output_tokens=0, cost_usd=Decimal(0))


async def repair_all(kernel: Kernel, asked: RepairRequest) -> Repairs:
    """Repair what fits, or in a dry run only say what would come of it."""
    if asked.action == "move":
        return await _move_all(kernel, asked)
    found = await kernel.find_incidents(
        kind=asked.kind,
        definition_id=asked.process_definition_id,
        activity_id=asked.activity_id,
        queue=asked.queue,
        before=asked.before,
        limit=asked.most,
        version=asked.version,
        initiator=asked.initiator,
        started_from=asked.started_from,
        started_before=asked.started_before,
    )
    scratch, paid = asked.action == "retry_from_scratch", _NOTHING
    if scratch and asked.dry_run:
        paid = await kernel.cost_to_repeat([one.task_id for one in found if one.task_id])
    items: list[Repaired] = []
    for incident in found:
        item, cost = await _retry(kernel, incident, asked, scratch)
        items.append(item)
        paid = _sum(paid, cost)
    last = found[-1].incident_id if len(found) == asked.most else None
    return _told(asked, items, last, paid if scratch else None)


async def _retry(kernel: Kernel, incident: Incident, asked: RepairRequest, scratch: bool) -> tuple[Repaired, PaidAgain]:
    fault: str | None = _NO_JOURNAL if scratch and incident.task_id is None else None
    cost = _NOTHING
    if not fault and not asked.dry_run:
        try:
            cost = await repair.retry(kernel, incident.incident_id, asked.reason, None, scratch)
        except (Refused, EngineError) as refusal:
            fault = str(refusal)
    return _item(asked, incident.proc_inst_id, incident.incident_id, fault), cost


async def _move_all(kernel: Kernel, asked: RepairRequest) -> Repairs:
    found = await kernel.find_instances(
        ProcessStatus(asked.status),
        asked.process_definition_id,
        asked.before,
        asked.most,
        version=asked.version,
        initiator=asked.initiator,
        started_from=asked.started_from,
        started_before=asked.started_before,
        variables=parse_variables(asked.variable),
    )
    items = [_item(asked, one.id, None, await _move(kernel, one.id, asked)) for one in found if one.is_match]
    more = len(items) == asked.most or len(items) < len(found)
    return _told(asked, items, found[-1].id if more else None, None)


async def _move(kernel: Kernel, instance_id: UUID, asked: RepairRequest) -> str | None:
    """Move the token, or in a dry run only compute that; why it is refused, or None."""
    source, target = str(asked.from_), str(asked.to)
    try:
        if not asked.dry_run:
            await repair.move(kernel, instance_id, source, target, {}, asked.reason)
        elif (instance := await kernel.get_instance(instance_id)) is not None:
            await repair.moving(kernel, instance, source, target, {})
    except DatabaseUnavailable:
        raise
    except (FleetError, EngineError) as refusal:
        return str(refusal)
    return None


def _item(asked: RepairRequest, instance: UUID | None, incident: UUID | None, fault: str | None) -> Repaired:
    outcome = "refused" if fault else "would" if asked.dry_run else "done"
    return Repaired(process_instance_id=instance, incident_id=incident, outcome=outcome, detail=fault)


def _told(asked: RepairRequest, items: list[Repaired], last: UUID | None, paid: PaidAgain | None) -> Repairs:
    return Repairs(
        dry_run=asked.dry_run,
        items=items,
        done=sum(item.outcome == "done" for item in items),
        refused=sum(item.outcome == "refused" for item in items),
        paid_again=None if paid is None else InstanceCost.model_validate(paid.model_dump()),
        next=last,
    )


def _sum(one: PaidAgain, other: PaidAgain) -> PaidAgain:
    unknown = one.cost_usd is None or other.cost_usd is None
    return PaidAgain(
        model_calls=one.model_calls + other.model_calls,
        tool_calls=one.tool_calls + other.tool_calls,
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cost_usd=None if unknown else (one.cost_usd or Decimal(0)) + (other.cost_usd or Decimal(0)),
    )
