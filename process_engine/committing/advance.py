"""Moves process instances on in the database: read the instance, compute the step, commit it for that revision.

The step itself is pure (process_engine.running.steps); what makes it safe is the kernel's compare-and-set: a step that
was computed for an older revision is refused with InstanceChanged, and is computed again.
"""

import difflib
from uuid import UUID

from kernel.errors import InstanceChanged, NotFound
from kernel.functions import Kernel
from kernel.models import ClaimedTask, Instance, Json, Started, Submitted, Task, TaskStatus
from process_engine.committing.step_json import as_json, start_given
from process_engine.committing.stored_specs import compute, spec_of
from process_engine.elements.task_errors import throws_error
from process_engine.running import steps
from process_engine.values import schema_check
from process_engine.values.errors import EngineError, FormRejected, StepFailed, TokenUnknown

_MOST_TRIES = 10  # a step loses only to another step of the same instance, so each try means somebody else moved on


async def start(
    kernel: Kernel,
    definition_id: str,
    variables: Json,
    initiator: str,
    version: int | None = None,
    idempotency_key: str | None = None,
    fingerprint: str | None = None,
) -> Started:
    """Start an instance of the newest version, or of `version`.

    Raises NotFound (its message names definitions with a similar id) and StepFailed; then nothing was written.
    """
    chosen = await _choose_version(kernel, definition_id, version)
    spec = await spec_of(kernel, definition_id, chosen)
    step = await compute(kernel, lambda library: steps.start(spec, variables, library))
    first = as_json(step, 0, start_given(variables))
    return await kernel.start_instance(definition_id, chosen, initiator, first, idempotency_key, fingerprint)


async def submit(
    kernel: Kernel,
    task_id: UUID,
    output: Json,
    idempotency_key: str | None = None,
    fingerprint: str | None = None,
) -> Submitted:
    """End a person's task and move its instance on.

    Where the process cannot go on (a condition that cannot be evaluated), the task is FAILED with its output kept
    and the instance shows the incident. Raises NotFound, Conflict for a task that is not in TODO, and FormRejected for
    an output that does not fit the task's form; then nothing was written.
    """
    for _ in range(_MOST_TRIES):
        task = await kernel.require_task(task_id)
        if task.status == TaskStatus.TODO:
            _check_form(task, output)
        step, incident = await _step_or_incident(kernel, task, output)
        try:
            return await kernel.submit_task(task_id, output, step, incident, idempotency_key, fingerprint)
        except InstanceChanged:
            continue
    raise InstanceChanged(f"The instance of task {task_id} keeps moving: submit again.", "instance_changed")


def _check_form(task: Task, output: Json) -> None:
    if task.form is None or throws_error(output):
        return
    try:
        faults = schema_check.faults(task.form, output)
    except ValueError as error:
        raise StepFailed(task.activity_id, f"the form of this task: {error}") from error
    if faults:
        raise FormRejected(faults)


async def step_after(kernel: Kernel, task: ClaimedTask, output: Json) -> tuple[Json | None, Json | None]:
    """The step that completing `task` with `output` makes, for the instance as it is now; None for a lone task.

    Where the process cannot go on, the second is the incident {revision, reason} instead.
    """
    if task.proc_inst_id is None:
        return None, None
    instance = await kernel.require_instance(task.proc_inst_id)
    try:
        return await _step(kernel, instance, task.engine_token, output), None
    except EngineError as failure:
        return None, {"revision": instance.revision, "reason": str(failure)}


async def _step_or_incident(kernel: Kernel, task: Task, output: Json) -> tuple[Json | None, Json | None]:
    if task.proc_inst_id is None or task.status != TaskStatus.TODO:
        return None, None
    instance = await kernel.require_instance(task.proc_inst_id)
    try:
        return await _step(kernel, instance, task.engine_token, output), None
    except TokenUnknown:
        return None, None  # the task has closed since it was read, and the kernel will say how
    except StepFailed as failure:
        return None, {"revision": instance.revision, "reason": str(failure)}


async def _step(kernel: Kernel, instance: Instance, engine_token: str | None, output: Json) -> Json:
    spec = await spec_of(kernel, instance.process_definition_id, instance.process_definition_version)
    step = await compute(
        kernel, lambda library: steps.complete(spec, instance.state, engine_token or "", output, library)
    )
    return as_json(step, instance.revision)


async def _choose_version(kernel: Kernel, definition_id: str, version: int | None) -> int:
    found = await kernel.find_definitions(definition_id, limit=1 if version is None else None)
    versions = [definition.version for definition in found]
    if not versions:
        known = sorted({d.id for d in await kernel.find_definitions()})
        near = difflib.get_close_matches(definition_id, known, n=3, cutoff=0.4)
        raise NotFound(
            f'There is no process definition "{definition_id}".',
            "definition_unknown",
            f"Did you mean {', '.join(near)}?" if near else "Deploy it first.",
        )
    if version is not None and version not in versions:
        raise NotFound(
            f'Process definition "{definition_id}" has no version {version}.',
            "version_unknown",
            f"It has {', '.join(map(str, sorted(versions)))}.",
        )
    return version or max(versions)
