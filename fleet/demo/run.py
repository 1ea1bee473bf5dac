"""Starts the demo's processes, watches them, and plays the person who reviews drafts."""

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from fleet.api_client import ApiClient
from fleet.demo.requests import Request

_DEADLINE_SECONDS = 900
_ENDED = {"COMPLETED", "ERROR", "CANCELLED"}


@dataclass
class Run:
    """One request under way. `instance` is the API's newest answer about it."""

    request: Request
    instance_id: str
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    reviews: int = 0
    instance: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return (self.ended or time.monotonic()) - self.started


class Display(Protocol):
    """Shows how far the runs are."""

    def show(self, runs: list[Run]) -> None:
        """Show them."""


def run_all(api: ApiClient, requests: list[Request], display: Display) -> list[Run]:
    """Run a process for each request to its end, at most fifteen minutes."""
    runs = [_start(api, request) for request in requests]
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while any(run.ended is None for run in runs) and time.monotonic() < deadline:
        for run in runs:
            if run.ended is None:
                _look(api, run)
        display.show(runs)
        time.sleep(0.1)
    return runs


def _start(api: ApiClient, request: Request) -> Run:
    body = {
        "process_definition_id": "service_request",
        "process_instance_id": "new",
        "email": request.requester,
        "form_values": {"request": request.request, "requester": request.requester},
    }
    return Run(request, api.post("/complete", {"input": body})["process_instance_id"])


def _look(api: ApiClient, run: Run) -> None:
    run.instance = api.get(f"/instances/{run.instance_id}")
    if run.instance["status"] in _ENDED:
        run.ended = time.monotonic()
    for task in run.instance["tasks"]:
        if task["status"] == "TODO":
            _review(api, run, task)


def _review(api: ApiClient, run: Run, task: dict[str, Any]) -> None:
    """What the person does: reads the draft, sends the first one back where the request says so, else approves."""
    draft = task["draft"] or {}
    sends_back = run.request.send_back is not None and run.reviews == 0
    form = {
        "decision": "send_back" if sends_back else "approve",
        "comment": run.request.send_back if sends_back else "",
        "answer": draft.get("answer", ""),
        "sources": draft.get("sources", []),
    }
    run.reviews += 1
    api.post("/complete", {"input": {
        "process_definition_id": "service_request",
        "process_instance_id": run.instance_id,
        "task_id": task["task_id"],
        "email": "reviewer@example.com",
        "form_values": form,
    }})  # fmt: skip
