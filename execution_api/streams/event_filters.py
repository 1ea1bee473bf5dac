"""By what events can be filtered."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query

from kernel.event_types import EventType


class _EventFilters:
    def __init__(
        self,
        task: Annotated[UUID | None, Query(description="id of a task")] = None,
        type: Annotated[EventType | None, Query(description="type of event")] = None,  # noqa: A002  # the parameter's name
        actor: Annotated[str | None, Query(max_length=400, description="who did it: user:…, api_key:…, pod:…")] = None,
    ):
        self._task, self._type, self._actor = task, type, actor

    def asked(self) -> dict[str, Any]:
        """As arguments of kernel.find_events."""
        return {"task_id": self._task, "event_type": self._type, "actor": self._actor}

    def shown(self) -> dict[str, Any]:
        """As parameters of the next page's address."""
        return {"task": self._task, "type": self._type, "actor": self._actor}


EventFilters = Annotated[_EventFilters, Depends()]
