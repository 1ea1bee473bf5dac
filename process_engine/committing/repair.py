"""Repairs process instances in the database: reads the instance, computes what a repair makes of it, and commits that
for the revision it was computed for.
"""

from uuid import UUID

from kernel.errors import Conflict, InstanceChanged, NotFound
from kernel.functions import Kernel
from kernel.models import Instance, Json, ProcessStatus, Started, Task
from kernel.repair_models import Incident, MovedToken, RetriedIncident
from process_engine.committing.history import Past, past
from process_engine.committing.step_json import as_json, change_as_json, fork_given, move_given
from process_engine.committing.stored_specs import compute, spec_of
from process_engine.running import changes, forks, moves
from process_engine.running.tokens import token_ids
from process_engine.values.errors import TokenUnknown

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


async def move(kernel: Kernel, instance_id: UUID, source: str, target: str, variables: Json, reason: str) -> MovedToken:
    """Move the token `source` (its id, or the element it is at) to the element `target`, and cancel its open tasks.

    Raises NotFound, Conflict where the instance has ended, and RepairRefused and StepFailed where it is not sound; then
    nothing was written.
    """
    for _ in range(_MOST_TRIES):
        step, moved = await moving(kernel, await kernel.require_instance(instance_id), source, target, variables)
        try:
            return await kernel.move_token(instance_id, step, reason, moved)
        except InstanceChanged:
            continue
    raise _keeps_moving(f"Process instance {instance_id}")


async def moving(kernel: Kernel, instance: Instance, source: str, target: str, variables: Json) -> tuple[Json, Json]:
    """The step that `move` would make of `instance`, and what its event says. Nothing is written."""
    if instance.status not in (ProcessStatus.RUNNING, ProcessStatus.ERROR):
        raise Conflict(
            f"Process instance {instance.id} is {instance.status}.", "instance_closed", "Fork it from one of its steps."
        )
    spec = await spec_of(kernel, instance.process_definition_id, instance.process_definition_version)
    done = await compute(kernel, lambda library: moves.move(spec, instance.state, source, target, variables, library))
    given = move_given(done.token_id, target, variables)
    said = {"token": done.token_id, "from": done.came_from, "to": target, "variables": sorted(variables)}
    return as_json(done.step, instance.revision, given), said


async def fork(
    kernel: Kernel,
    instance_id: UUID,
    reason: str,
    *,
    task_id: UUID | None = None,
    step_number: int | None = None,
    variables: Json | None = None,
    version: int | None = None,
    idempotency_key: str | None = None,
    fingerprint: str | None = None,
) -> Started:
    """Start another instance where one stood the last time `task_id` was open, or before its step `step_number`.

    Raises NotFound, and RepairRefused where it is not known how the instance stood then, nothing was open, or `version`
    does not fit; then nothing was written.
    """
    instance = await kernel.require_instance(instance_id)
    then = await _past(kernel, instance, task_id, step_number)
    own = await spec_of(kernel, instance.process_definition_id, instance.process_definition_version)
    chosen = version or instance.process_definition_version
    spec = await spec_of(kernel, instance.process_definition_id, chosen)
    if chosen != instance.process_definition_version:
        await compute(kernel, lambda library: forks.check_fit(own, spec, then.state, library))
    iterations = {t.engine_token or "": t.iteration for t in await _all_tasks(kernel, instance_id)}
    step = await compute(kernel, lambda library: forks.reopen(spec, then.state, variables or {}, iterations, library))
    first = as_json(step, 0, fork_given(step.state))
    return await kernel.fork_instance(instance_id, then.number, chosen, first, reason, idempotency_key, fingerprint)


async def _past(kernel: Kernel, instance: Instance, task_id: UUID | None, step_number: int | None) -> Past:
    if task_id is None:
        then = await past(kernel, instance, lambda number, _: number == step_number)
        if then is None:
            what = f"Process instance {instance.id} has no step {step_number} that could follow."
            raise NotFound(what, "step_unknown", f"GET /instances/{instance.id}/steps lists them; 1 is the start.")
        return then
    task = await kernel.get_task(task_id)
    if task is None or task.proc_inst_id != instance.id or task.engine_token is None:
        what = f"There is no task {task_id} in process instance {instance.id}."
        raise NotFound(what, "task_unknown", f"GET /tasks?instance={instance.id}&status=ALL lists them.")
    token = task.engine_token
    then = await past(kernel, instance, lambda _, state: any(t == token for t in token_ids(state["tokens"])))
    assert then is not None, "a task was opened by a step"
    return then


async def _all_tasks(kernel: Kernel, instance_id: UUID) -> list[Task]:
    found = page = await kernel.find_tasks(instance_id, limit=500)
    while len(page) == 500:
        page = await kernel.find_tasks(instance_id, before=page[-1].task_id, limit=500)
        found = found + page
    return found


async def _change(kernel: Kernel, incident_id: UUID, variables: Json) -> Json:
    incident = await _incident(kernel, incident_id)
    if incident.proc_inst_id is None and incident.task_id is None:
        return {"variables": variables}
    if incident.proc_inst_id is None:
        raise Conflict(
            f"Task {incident_id} stands alone: it has no variables.", "task_alone", "Retry it without variables."
        )
    instance = await kernel.require_instance(incident.proc_inst_id)
    task = await kernel.get_task(incident.task_id) if incident.task_id else None
    token = task.engine_token if task else None
    spec = await spec_of(kernel, instance.process_definition_id, instance.process_definition_version)
    try:
        changed = await compute(kernel, lambda library: changes.change(spec, instance.state, token, variables, library))
    except TokenUnknown:
        raise InstanceChanged(f"Incident {incident_id} ended meanwhile.", "instance_changed") from None
    return change_as_json(changed, instance.revision, token, variables)


async def _incident(kernel: Kernel, incident_id: UUID) -> Incident:
    found = await kernel.find_incidents(incident_id=incident_id)
    if not found:
        raise NotFound(f"There is no incident {incident_id}.", "incident_unknown", "GET /incidents lists them.")
    return found[0]


def _keeps_moving(what: str) -> InstanceChanged:
    return InstanceChanged(f"{what} keeps moving: try again.", "instance_changed")
