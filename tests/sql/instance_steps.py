"""Steps and tasks in the words of kernel.apply_step and kernel.insert_tasks of init.sql."""

from typing import Any

from kernel.models import Json


def step(revision: int, *tasks: Json, ended: bool = False, cancelled: tuple[str, ...] = ()) -> Json:
    """What an engine computed for `revision`: it inserts `tasks` and cancels the engine tokens `cancelled`."""
    return {
        "revision": revision,
        "state": {"at": revision + 1},
        "variables": {"seen": revision},
        "ended": ended,
        "tasks": list(tasks),
        "cancelled": list(cancelled),
    }


def agent_task(activity_id: str = "work", **fields: Any) -> Json:
    """A task for the orchestrator echo."""
    return {"activity_id": activity_id, "engine_token": activity_id, "agent_orch": "echo", **fields}


def person_task(activity_id: str = "approve", assignee: str = "bob@acme.test", **fields: Any) -> Json:
    """A task for a person."""
    return {"activity_id": activity_id, "engine_token": activity_id, "assignee": assignee, **fields}


def model_call(name: str = "gpt") -> Json:
    """A call for the journal."""
    counts = {"input_tokens": 3, "output_tokens": 5, "cost_usd": "0.25", "latency_ms": 7}
    return {"kind": "chat", "name": name, "request": {"q": 1}, "response": {"a": 2}, "outcome": "ok", **counts}
