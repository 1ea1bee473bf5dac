"""Repairs process instances in the database: reads the instance, computes what a repair makes of it, and commits that
for the revision it was computed for.
"""

from uuid import UUID

from kernel.errors import Conflict, InstanceChanged, NotFound
from kernel.functions import Kernel
from kernel.models import Instance, Json
from kernel.repair_models import Incident, RetriedIncident
from process_engine import repairs
from process_engine.errors import TokenUnknown
from process_engine.step_json import change_as_json
from process_engine.stored_specs import compute, spec_of

_MOST_TRIES = 10


async def retry(
    kernel: Kernel, incident_id: UUID, reason: str | None, variables: Json | None, from_scratch: bool
) -> RetriedIncident:
    """Take an incident up: as it is, with other `variables`, from scratch, or both.

    Raises NotFound, Conflict where it is over, and StepFailed where a task's input cannot be computed from the
    variables; then nothing was written.
    """
    for _ in range(_MOST_TRIES):
        change = await _change(kernel, incident_id, variables) if variables is not None else None
        try:
            return await kernel.retry_incident(incident_id, reason, from_scratch, change)
        except InstanceChanged:
            continue
    raise _keeps_moving(f"The instance of incident {incident_id}")


async def _change(kernel: Kernel, incident_id: UUID, variables: Json) -> Json:
    incident = await _incident(kernel, incident_id)
    if incident.proc_inst_id is None and incident.task_id is None:
        return {"variables": variables}
    if incident.proc_inst_id is None:
        raise Conflict(
            f"Task {incident_id} stands alone: it has no variables.", "task_alone", "Retry it without variables."
        )
    instance = await _instance(kernel, incident.proc_inst_id)
    task = await kernel.get_task(incident.task_id) if incident.task_id else None
    token = task.engine_token if task else None
    spec = await spec_of(kernel, instance.process_definition_id, instance.process_definition_version)
    try:
        changed = await compute(kernel, lambda library: repairs.change(spec, instance.state, token, variables, library))
    except TokenUnknown:
        raise InstanceChanged(f"Incident {incident_id} ended meanwhile.", "instance_changed") from None
    return change_as_json(changed, instance.revision, token, variables)


async def _incident(kernel: Kernel, incident_id: UUID) -> Incident:
    found = await kernel.find_incidents(incident_id=incident_id)
    if not found:
        raise NotFound(f"There is no incident {incident_id}.", "incident_unknown", "GET /incidents lists them.")
    return found[0]


async def _instance(kernel: Kernel, instance_id: UUID) -> Instance:
    instance = await kernel.get_instance(instance_id)
    if instance is None:
        raise NotFound(f"There is no process instance {instance_id}.", "instance_unknown", "GET /instances lists them.")
    return instance


def _keeps_moving(what: str) -> InstanceChanged:
    return InstanceChanged(f"{what} keeps moving: try again.", "instance_changed")
