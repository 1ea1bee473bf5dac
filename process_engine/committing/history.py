"""What a process instance was before: its steps are computed once more, from the start on.

Steps are pure functions, and everything they were computed from is kept (find_steps in init.sql), so this is exact, and
it is proved: the last state that comes out must be the one that is stored. Where it is not, nothing is concluded.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from kernel.functions import Kernel
from kernel.models import Instance, Json, ProcessStatus
from kernel.repair_models import InstanceStep
from process_engine.committing.stored_specs import compute, spec_of
from process_engine.running import changes, moves, steps
from process_engine.values.errors import EngineError, RepairRefused
from process_engine.values.library import Library

MOST_STEPS = 5000


@dataclass(frozen=True)
class Past:
    """An instance as it was: `state` before its step `number`."""

    number: int
    state: Json


async def past(kernel: Kernel, instance: Instance, wanted: Callable[[int, Json], bool]) -> Past | None:
    """The last moment of an instance that `wanted` (of the number of the step that followed, and the state) chooses.

    Raises:
        RepairRefused: its history is not whole, too long, or does not lead to what it is.
    """
    made = await kernel.find_steps(instance.id, whole=True)
    _check_whole(instance, made)
    spec = await spec_of(kernel, instance.process_definition_id, instance.process_definition_version)
    state: Json = {}
    found: Past | None = None
    for step in made:
        try:
            state = await compute(kernel, partial(_again, spec, instance.state["seed"], state, step), step.at)
        except EngineError as error:
            _refuse(f"its step {step.revision} cannot be computed again ({error})")
        if wanted(step.revision + 1, state):
            found = Past(step.revision + 1, state)
        await asyncio.sleep(0)  # others have their turn
    if json.loads(json.dumps(state)) != instance.state:
        _refuse("computing its steps again does not lead to the state it is in")
    return found


def _again(spec: Json, seed: str, state: Json, step: InstanceStep, library: Library) -> Json:
    given: dict[str, Any] = step.given or {}
    match step.kind:
        case "start":
            first = steps.start(spec, given["variables"], library, given["event"], given["payload"], seed)
            return first.state
        case "fork":
            return given["state"]
        case "task":
            return steps.complete(spec, state, str(step.engine_token), step.output or {}, library).state
        case "event":
            return steps.receive(spec, state, given["token"], given["element"], given["payload"], library).state
        case "change":
            return changes.change(spec, state, given["token"], given["variables"], library).state
        case "move":
            return moves.move(spec, state, given["token"], given["to"], given["variables"], library).step.state


def _check_whole(instance: Instance, made: list[InstanceStep]) -> None:
    if len(made) > MOST_STEPS:
        _refuse(f"it has made {len(made)} steps, and at most {MOST_STEPS} are computed again")
    numbers = [step.revision for step in made]
    ended_by_cancel = instance.status == ProcessStatus.CANCELLED
    if not made or made[0].kind not in ("start", "fork") or numbers != list(range(1, len(made) + 1)):
        _refuse("its history does not reach back to its start, which an earlier release made")
    if len(made) != instance.revision - ended_by_cancel:
        _refuse(f"{len(made)} of its {instance.revision - ended_by_cancel} steps are known")


def _refuse(why: str) -> NoReturn:
    raise RepairRefused(
        "history_unknown", f"It is not known how the instance stood then: {why}.", "Start it anew, or move its token."
    )
