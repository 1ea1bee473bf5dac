"""Computes steps with what is deployed: specs of processes and decisions, read from the database once and kept."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from kernel.errors import NotFound
from kernel.functions import Kernel
from kernel.models import Json
from process_engine.values.errors import StepFailed
from process_engine.values.library import Deployed, Library, NotAtHand

_T = TypeVar("_T")
_specs: OrderedDict[tuple[str, str, str, int], Json] = OrderedDict()
_MOST_SPECS = 256
_MOST_LOOKUPS = 100


async def spec_of(kernel: Kernel, definition_id: str, version: int) -> Json:
    """What the engine made of a definition's version, in the kernel's tenant. Raises NotFound."""
    found = await _look_up(kernel, NotAtHand("process", definition_id, version))
    if found is None:
        raise NotFound(f'There is no process definition "{definition_id}" {version}.', "definition_unknown")
    return found.spec


async def compute(kernel: Kernel, step: Callable[[Library], _T], at: datetime | None = None) -> _T:
    """Compute a step, looking up the processes and decisions it needs, one after the other.

    `at`: the newest versions are those of this time; None: of now.
    """
    library = Library()
    for _ in range(_MOST_LOOKUPS):
        try:
            return step(library)
        except NotAtHand as missing:
            library.add(missing, await _look_up(kernel, missing if at is None else await _as_of(kernel, missing, at)))
    raise StepFailed("process", f"one step needs more than {_MOST_LOOKUPS} processes and decisions")


async def _as_of(kernel: Kernel, missing: NotAtHand, at: datetime) -> NotAtHand:
    if missing.version is not None:
        return missing
    versions = await (kernel.find_definitions if missing.kind == "process" else kernel.find_decisions)(missing.name)
    known = [found.version for found in versions if found.created_at <= at]
    return NotAtHand(missing.kind, missing.name, max(known, default=0))


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
