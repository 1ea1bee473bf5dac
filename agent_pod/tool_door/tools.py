"""What a tool of a task is, and the ways in which a call of one can end without a result."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import mcp_types as types

from kernel.models import ClaimedTask
from process_engine.values import schema_check

IDEMPOTENCY_KEY = "processfleet/idempotency-key"  # in `_meta` of a call; the same when the call is made again
_Json = dict[str, Any]


class ToolRefused(Exception):
    """The call cannot be done as it was asked; the message tells the model what to change."""


class NotDone(ToolRefused):
    """The tool surely did nothing this time, which says nothing of an earlier try of the same call."""


class OutcomeUnknown(Exception):
    """Nobody knows whether the tool did its work; the message says why. A tool that may run again is asked later."""


@dataclass(frozen=True)
class Tool:
    """A tool: what the model is told, and what it does with a task, arguments and `_meta`.

    `idempotent` (told to clients as an MCP annotation): the same arguments again change nothing more. `keyed`: it does
    what it does once for each idempotency key. `offered`: models see it without being told of it by the agent's list.
    """

    name: str
    description: str
    input_schema: _Json
    idempotent: bool
    run: Callable[[ClaimedTask, _Json, _Json], Awaitable[_Json]]
    keyed: bool = False
    offered: bool = True

    @property
    def may_run_again(self) -> bool:
        """Whether a call that may have been done can be made again with the same idempotency key."""
        return self.idempotent or self.keyed

    @property
    def annotations(self) -> types.ToolAnnotations:
        """What clients are told of how it behaves."""
        return types.ToolAnnotations(idempotent_hint=self.idempotent)

    async def __call__(self, task: ClaimedTask, arguments: _Json, meta: _Json) -> _Json:
        """Run for `task`. Raises ToolRefused on arguments that do not fit the schema."""
        fault = schema_check.fault(self.input_schema, arguments)
        if fault is not None:
            raise ToolRefused(f"{self.name}: {fault}")
        return await self.run(task, arguments, meta)


def object_schema(properties: _Json, required: list[str]) -> _Json:
    """The JSON Schema of arguments that are these properties and no others."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
