"""What the journal of calls, and the questions that calls asked, look like to our programs."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from kernel.models import Json, Record


class CallKind(StrEnum):
    """What a call of the journal was made to."""

    CHAT = "chat"
    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    TOOL = "tool"


class Call(Record):
    """One model or tool call of the journal. `outcome`: ok, error, or started (a tool that has not answered)."""

    call_id: int
    proc_inst_id: UUID | None
    task_id: UUID
    attempt: int
    kind: str
    name: str
    request: Any
    response: Any
    outcome: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    latency_ms: int
    timestamp: datetime


class JournalledCall(Record):
    """A call that an earlier run of a task made. `outcome`: ok or error (answered), or started (nobody knows)."""

    call_id: int
    call_key: str
    occurrence: int
    outcome: str


class Replay(Record):
    """The answer of a journalled call."""

    response: Any
    outcome: str


class Question(Record):
    """What a task waits for. `kind`: person, or unknown_outcome (of a tool); `status`: open, answered or expired."""

    question_id: UUID
    proc_inst_id: UUID | None
    task_id: UUID
    kind: str
    question: str
    form: Json | None
    assignee: str | None
    candidate_groups: list[str]
    due_at: datetime | None
    status: str
    answer: Any
    answered_by: str | None
    created_at: datetime
    answered_at: datetime | None


class Cost(Record):
    """What an instance's calls came to; `cost_usd` is None where the price of a model is not known."""

    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
