"""Moves process instances on in the database: read the instance, compute the step, commit it for that revision.

The step itself is pure (process_engine.steps); what makes it safe is the kernel's compare-and-set: a step that was
computed for an older revision is refused with InstanceChanged, and is computed again.
"""

import difflib
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from kernel.errors import InstanceChanged, NotFound
from kernel.functions import Kernel
from kernel.models import ClaimedTask, Instance, Json, Started, Submitted, Task, TaskStatus
from process_engine import steps
from process_engine.errors import EngineError, StepFailed, TokenUnknown
from process_engine.library import Deployed, Library, NotAtHand

_MOST_TRIES = 10  # a step loses only to another step of the same instance, so each try means somebody else moved on
_specs: OrderedDict[tuple[str, str, str, int], Json] = OrderedDict()
_MOST_SPECS = 256
_MOST_LOOKUPS = 100


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
    spec = await _spec(kernel, definition_id, chosen)
    step = await _compute(kernel, lambda library: steps.start(spec, variables, library))
    return await kernel.start_instance(
        definition_id, chosen, initiator, _as_json(step, 0), idempotency_key, fingerprint
    )


async def submit(
    kernel: Kernel,
    task_id: UUID,
    output: Json,
    idempotency_key: str | None = None,
    fingerprint: str | None = None,
) -> Submitted:
    """End a person's task and move its instance on.

    Where the process cannot go on (a condition that cannot be evaluated), the task is FAILED with its output kept
    and the instance shows the incident. Raises NotFound, and Conflict for a task that is not in TODO.
    """
    for _ in range(_MOST_TRIES):
        task = await kernel.get_task(task_id)
        if task is None:
            raise NotFound(f"There is no task {task_id}.", "task_unknown")
        step, incident = await _step_or_incident(kernel, task, output)
        try:
            return await kernel.submit_task(task_id, output, step, incident, idempotency_key, fingerprint)
        except InstanceChanged:
            continue
    raise InstanceChanged(f"The instance of task {task_id} keeps moving: submit again.", "instance_changed")


async def step_after(kernel: Kernel, task: ClaimedTask, output: Json) -> tuple[Json | None, Json | None]:
    """The step that completing `task` with `output` makes, for the instance as it is now; None for a lone task.

    Where the process cannot go on, the second is the incident {revision, reason} instead.
    """
    if task.proc_inst_id is None:
        return None, None
    instance = await kernel.get_instance(task.proc_inst_id)
    if instance is None:
        raise NotFound(f"There is no process instance {task.proc_inst_id}.", "instance_unknown")
    try:
        return await _step(kernel, instance, task.engine_token, output), None
    except EngineError as failure:
        return None, {"revision": instance.revision, "reason": str(failure)}


async def _step_or_incident(kernel: Kernel, task: Task, output: Json) -> tuple[Json | None, Json | None]:
    if task.proc_inst_id is None or task.status != TaskStatus.TODO:
        return None, None
    instance = await kernel.get_instance(task.proc_inst_id)
    assert instance is not None, "a foreign key holds it"
    try:
        return await _step(kernel, instance, task.engine_token, output), None
    except TokenUnknown:
        return None, None  # the task has closed since it was read, and the kernel will say how
    except StepFailed as failure:
        return None, {"revision": instance.revision, "reason": str(failure)}


async def _step(kernel: Kernel, instance: Instance, engine_token: str | None, output: Json) -> Json:
    spec = await _spec(kernel, instance.process_definition_id, instance.process_definition_version)
    step = await _compute(
        kernel, lambda library: steps.complete(spec, instance.state, engine_token or "", output, library)
    )
    return _as_json(step, instance.revision)


async def _compute(kernel: Kernel, step: Callable[[Library], steps.Step]) -> steps.Step:
    """Compute a step, looking up the processes and decisions it needs, one after the other."""
    library = Library()
    for _ in range(_MOST_LOOKUPS):
        try:
            return step(library)
        except NotAtHand as missing:
            library.add(missing, await _look_up(kernel, missing))
    raise StepFailed("process", f"one step needs more than {_MOST_LOOKUPS} processes and decisions")


async def _look_up(kernel: Kernel, missing: NotAtHand) -> Deployed | None:
    if missing.version is not None:
        kept = _kept((_tenant(kernel), missing.kind, missing.name, missing.version))
        if kept is not None:
            return Deployed(missing.version, kept)
    read = kernel.get_definition if missing.kind == "process" else kernel.get_decision
    found = await read(missing.name, missing.version)
    if found is None:
        return None
    _keep((_tenant(kernel), missing.kind, missing.name, found.version), found.spec)
    return Deployed(found.version, found.spec)


async def _choose_version(kernel: Kernel, definition_id: str, version: int | None) -> int:
    versions = [d.version for d in await kernel.find_definitions(definition_id)]
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


async def _spec(kernel: Kernel, definition_id: str, version: int) -> Json:
    found = await _look_up(kernel, NotAtHand("process", definition_id, version))
    if found is None:
        raise NotFound(f'There is no process definition "{definition_id}" {version}.', "definition_unknown")
    return found.spec


def _tenant(kernel: Kernel) -> str:
    return str((kernel.claims or {}).get("tenant_id"))


def _keep(key: tuple[str, str, str, int], spec: Json) -> None:
    _specs[key] = spec  # versions are immutable, so what is kept never goes stale
    if len(_specs) > _MOST_SPECS:
        _specs.popitem(last=False)


def _kept(key: tuple[str, str, str, int]) -> Json | None:
    if key in _specs:
        _specs.move_to_end(key)
    return _specs.get(key)


def _as_json(step: steps.Step, revision: int) -> Json:
    return {
        "revision": revision,
        "state": step.state,
        "variables": step.variables,
        "ended": step.ended,
        "cancelled": step.cancelled,
        "tasks": [_task(task) for task in step.new_tasks],
    }


def _task(task: steps.NewTask) -> Json:
    return {
        "process_definition_id": task.process_definition_id,
        "activity_id": task.activity_id,
        "name": task.activity_name,
        "iteration": task.iteration,
        "engine_token": task.token_id,
        "agent_orch": task.orchestrator,
        "agent_id": task.agent,
        "agent_mode": task.agent_mode,
        "instruction": task.instruction,
        "input": task.input,
        "output_schema": task.output_schema,
        "form": task.form,
        "assignee": task.assignee,
        "candidate_groups": task.candidate_groups,
        "priority": task.priority,
        "max_attempts": task.max_attempts,
        "timeout_seconds": task.timeout_seconds,
    }
