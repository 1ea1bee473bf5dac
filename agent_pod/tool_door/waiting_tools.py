"""The tools by which a task waits: for a person's answer, or for a time. They do not run; what they ask is put to the
database, and the task leaves its pod until the answer is there.

Any orchestrator may call them. A model is offered them only where the agent's list of tools names them, because whoever
asks holds up a process.
"""

from datetime import UTC, datetime
from typing import Any

from agent_pod.tool_door.tools import Tool, ToolRefused, object_schema
from kernel.models import ClaimedTask
from process_engine.values import schema_check

_Json = dict[str, Any]
_TIME = "a time as in 2026-11-20T09:30:00Z, or a number of seconds from now"
WAITING_TOOLS = ("ask_person", "wait_until")
_LONGEST_SECONDS = 10 * 365 * 86_400


class Waits(Exception):
    """The call is answered by what comes of `question` (see ask_question of init.sql)."""

    def __init__(self, question: _Json):
        super().__init__(question["question"])
        self.question = question


def waiting_tools() -> list[Tool]:
    """`ask_person` and `wait_until`."""
    return [
        Tool(
            "ask_person",
            "Ask a person and wait for the answer, for days if need be. Returns {answered, answer, answered_by}, or "
            "{answered: false, reason} when nobody answered by the deadline.",
            object_schema(
                {
                    "question": {"type": "string", "minLength": 1, "description": "What the person reads."},
                    "form": {"type": ["object", "null"], "description": "JSON Schema that the answer must satisfy."},
                    "assignee": {"type": ["string", "null"], "description": "E-mail of the person; none: anybody."},
                    "candidate_groups": {"type": ["array", "null"], "items": {"type": "string"}},
                    "deadline": {"type": ["string", "number", "null"], "description": f"Until when: {_TIME}."},
                    "if_unanswered": {"enum": ["answer", "fail", None], "description": "fail: an error, then."},
                },
                ["question"],
            ),
            True,
            _ask_person,
            offered=False,
        ),
        Tool(
            "wait_until",
            "Wait, for days if need be. Returns {waited_until}.",
            object_schema({"time": {"type": ["string", "number"], "description": f"Until when: {_TIME}."}}, ["time"]),
            True,
            _wait_until,
            offered=False,
        ),
    ]


async def _ask_person(_task: ClaimedTask, arguments: _Json, _meta: _Json) -> _Json:
    asked = {name: arguments.get(name) for name in ("question", "form", "assignee", "candidate_groups")}
    try:
        schema_check.fault(asked["form"] or {}, None)
    except ValueError as error:
        raise ToolRefused(f"form: it is no JSON Schema: {error}") from None
    deadline = arguments.get("deadline")
    due = {} if deadline is None else _due("deadline", deadline)
    raise Waits({"kind": "person", **asked, **due, "fails": arguments.get("if_unanswered") == "fail"})


async def _wait_until(_task: ClaimedTask, arguments: _Json, _meta: _Json) -> _Json:
    time = arguments["time"]
    raise Waits({"kind": "timer", "question": f"wait until {time}", **_due("time", time)})


def _due(name: str, value: Any) -> _Json:
    if not isinstance(value, str):
        if not 0 <= value <= _LONGEST_SECONDS:
            raise ToolRefused(f"{name}: {value} seconds is not between 0 and ten years ({_LONGEST_SECONDS}).")
        return {"seconds": value}
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise ToolRefused(f"{name}: {value!r} is not {_TIME}.") from None
    return {"due_at": (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()}
