"""By what events can be filtered."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query


class _EventFilters:
    def __init__(
        self,
        task: Annotated[UUID | None, Query(description="id of a task")] = None,
        type: Annotated[  # noqa: A002  # the name of the query parameter
            str | None, Query(pattern=r"^[A-Z_]{1,60}$", description="type of event", examples=["INCIDENT"])
        ] = None,
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
