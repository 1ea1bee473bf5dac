"""Works off what has come for process instances and definitions: timers that are due, messages, signals.

An arrival is claimed for a while, its step is computed, and the step is committed together with the arrival's end. So
whoever dies on the way loses nothing: when the claim has run out, somebody else takes the arrival.
"""

import logging
from functools import partial

from kernel.errors import DatabaseUnavailable, InstanceChanged, InvalidInput
from kernel.functions import Kernel
from kernel.models import Arrival, Json
from process_engine.committing.step_json import as_json, start_given
from process_engine.committing.stored_specs import compute, spec_of
from process_engine.running import steps
from process_engine.values.errors import EngineError

logger = logging.getLogger(__name__)
MOST_AT_ONCE = 20
CLAIM_SECONDS = 30
_MOST_TRIES = 10
_WAIT_IS_OVER: tuple[None, None] = (None, None)


async def work_off_arrivals(kernel: Kernel) -> int:
    """Take arrivals of all tenants, at most 20, and let the processes have them. Returns how many were taken.

    One that cannot be worked off now is left to be taken again. Raises DatabaseUnavailable.
    """
    arrivals = await kernel.take_arrivals(MOST_AT_ONCE, CLAIM_SECONDS)
    for arrival in arrivals:
        try:
            await _settle(kernel.as_tenant(arrival.tenant_id, "kernel"), arrival)
        except DatabaseUnavailable:
            raise
        except Exception:
            logger.exception("the %s %s cannot be worked off", arrival.kind, arrival.arrival_id)
    return len(arrivals)


async def _settle(kernel: Kernel, arrival: Arrival) -> None:
    for _ in range(_MOST_TRIES):
        step, incident = await step_or_incident(kernel, arrival)
        try:
            await kernel.settle_arrival(arrival.arrival_id, step, incident)
        except InstanceChanged:
            continue
        except InvalidInput as refusal:
            if step is None:
                raise
            reason = f"{arrival.element_id}: {refusal}"
            await kernel.settle_arrival(arrival.arrival_id, None, {"revision": step["revision"], "reason": reason})
        return


async def step_or_incident(kernel: Kernel, arrival: Arrival) -> tuple[Json | None, Json | None]:
    """What `arrival` makes of its instance as it is now, or why the process cannot take it; neither where its wait is
    over."""
    if arrival.process_definition_id is None or arrival.process_definition_version is None:
        return _WAIT_IS_OVER
    revision: int | None = None
    try:
        spec = await spec_of(kernel, arrival.process_definition_id, arrival.process_definition_version)
        if arrival.proc_inst_id is None:
            variables = {"initiator": arrival.initiator}
            start = partial(steps.start, start_event=arrival.element_id, payload=arrival.variables)
            first = await compute(kernel, lambda library: start(spec, variables, library))
            return as_json(first, 0, start_given(variables, arrival.element_id, arrival.variables)), None
        instance = await kernel.require_instance(arrival.proc_inst_id)
        revision = instance.revision
        token = arrival.engine_token or steps.PROCESS
        element = str(arrival.element_id)
        receive = partial(steps.receive, spec, instance.state, token, element, arrival.variables)
        given = {"kind": "event", "token": token, "element": element, "payload": arrival.variables}
        return as_json(await compute(kernel, receive), revision, given), None
    except EngineError as failure:
        return None, {"revision": revision, "reason": str(failure)}
