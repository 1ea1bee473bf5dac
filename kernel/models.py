"""What the database's functions return, as types."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

Json = dict[str, Any]


class PodStatus(StrEnum):
    """Status of a pod."""

    READY = "READY"
    DRAINING = "DRAINING"
    STOPPED = "STOPPED"


class ProcessStatus(StrEnum):
    """Status of a process instance."""

    NEW = "NEW"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"


class TaskStatus(StrEnum):
    """Status of a task; the picture is at the head of init.sql."""

    TODO = "TODO"
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    WAITING = "WAITING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class AgentMode(StrEnum):
    """Who ends a task: a person alone, a person on an agent's draft, or the agent."""

    NONE = "none"
    DRAFT = "draft"
    COMPLETE = "complete"


class Record(BaseModel):
    """Base of all rows: read-only; columns that a newer schema added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Limits(Record):
    """What one task may use in all its runs; None: any amount.

    `tokens`: those of requests and answers; `run_seconds`: time in a pod; `repeats`: how often the same call may be
    answered with the same.
    """

    model_calls: int | None = None
    tool_calls: int | None = None
    tokens: int | None = None
    cost_usd: Decimal | None = None
    run_seconds: int | None = None
    repeats: int | None = None

    def given(self) -> Json:
        """Those that are set, as JSON."""
        return {name: float(most) if name == "cost_usd" else most for name, most in self if most is not None}


class Agent(Record):
    """A tenant's agent: who the model is told to be, which model it uses and which tools it may."""

    agent_id: str
    name: str
    role: str
    goal: str
    persona: str
    model: str | None
    tools: list[str]
    limits: Limits = Limits()


class ClaimedTask(Record):
    """A task in the hands of this pod. `fencing_token` goes with every write about it."""

    tenant_id: str
    task_id: UUID
    proc_inst_id: UUID | None
    process_definition_id: str | None
    activity_id: str
    name: str
    iteration: int
    engine_token: str | None
    agent_orch: str
    agent_id: str | None
    agent: Agent | None
    agent_mode: AgentMode
    instruction: str
    input: Json
    output_schema: Json | None
    attempt: int
    max_attempts: int
    timeout_seconds: int
    fencing_token: int
    lease_expires_at: datetime
    created_at: datetime
    started_at: datetime


class Renewal(Record):
    """Answer to a renewal. `state`: renewed, cancelled, stopped or lost."""

    state: str
    lease_expires_at: datetime | None


class Definition(Record):
    """One version of a process definition."""

    id: str
    version: int
    name: str
    bpmn: str
    spec: Json
    deployed_by: str
    created_at: datetime


class DefinitionSummary(Record):
    """A version without its content. `is_new` is False where deploying found the same BPMN."""

    id: str
    version: int
    name: str
    created_at: datetime
    deployed_by: str
    is_new: bool | None = None


class Decision(Record):
    """One version of a decision."""

    id: str
    version: int
    name: str
    dmn: str
    spec: Json
    deployed_by: str
    created_at: datetime


class DecisionSummary(Record):
    """A version of a decision without its content. `is_new` is False where deploying found the same DMN."""

    id: str
    version: int
    name: str
    created_at: datetime
    deployed_by: str
    is_new: bool | None = None


class InstanceSummary(Record):
    """A process instance in a list."""

    id: UUID
    process_definition_id: str
    process_definition_version: int
    initiator: str
    status: ProcessStatus
    error: str | None
    start_time: datetime
    end_time: datetime | None


class Instance(InstanceSummary):
    """A process instance whole. `state` is the engine's; `revision` is what a step is computed for.

    Of a fork `forked_from` is the instance that it came from, and `forked_step` the step before which that stood.
    """

    forked_from: UUID | None = None
    forked_step: int | None = None
    variables: Json
    state: Json
    revision: int


class FailedAttempt(Record):
    """An attempt at a task that failed. `counted`: it used up one of `max_attempts`."""

    attempt: int
    counted: bool
    pod_id: UUID | None
    started_at: datetime | None
    ended_at: datetime
    error_class: str
    reason: str


class Task(Record):
    """A task as a reader sees it. `error_class`: why it is FAILED."""

    task_id: UUID
    proc_inst_id: UUID | None
    process_definition_id: str | None
    activity_id: str
    name: str
    iteration: int
    engine_token: str | None
    status: TaskStatus
    agent_orch: str | None
    agent_id: str | None
    agent_mode: AgentMode
    instruction: str
    input: Json
    output_schema: Json | None
    form: Json | None
    assignee: str | None
    candidate_groups: list[str]
    priority: int
    attempt: int
    max_attempts: int
    available_at: datetime | None
    draft: Json | None
    output: Json | None
    error: str | None
    log_tail: str | None
    submitted_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    due_at: datetime | None
    delegated_by: str | None
    stopped: bool
    cancelled_by: str | None
    error_class: str | None
    failed_attempts: list[FailedAttempt]
    retry_policy: Json | None


class Event(Record):
    """One line of the log of what happened."""

    event_id: int
    proc_inst_id: UUID | None
    task_id: UUID | None
    event_type: str
    actor: str
    message: str | None
    data: Json | None
    timestamp: datetime


class TenantEvent(Event):
    """An event with the tenant that it belongs to."""

    tenant_id: str


class EventMarks(Record):
    """The last event number that was given, and the transactions that may still be about to commit an event."""

    last_id: int
    writers: frozenset[str]


class Started(Record):
    """A started instance; `replayed` where an idempotency key had made it before."""

    proc_inst_id: UUID
    replayed: bool


class Arrival(Record):
    """An event to work off: a timer that is due, a message or a signal, and who waits for it.

    `proc_inst_id` is None where it starts an instance of the definition. Without a definition the wait is over.
    """

    tenant_id: str
    arrival_id: UUID
    kind: str
    name: str | None
    variables: Json
    initiator: str
    proc_inst_id: UUID | None
    process_definition_id: str | None
    process_definition_version: int | None
    engine_token: str | None
    element_id: str | None


class MessageSent(Record):
    """What became of a message. `status`: correlated (an instance waits for it), starting (it starts one) or kept."""

    message_id: UUID
    status: Literal["correlated", "starting", "kept"]
    proc_inst_id: UUID | None
    replayed: bool


class SignalSent(Record):
    """How many waits a signal reached."""

    reached: int
    replayed: bool


class Submitted(Record):
    """A submitted task; `replayed` where an idempotency key had submitted it before."""

    task_id: UUID
    proc_inst_id: UUID | None
    replayed: bool


class Orchestrator(Record):
    """An orchestrator that some pod has registered."""

    id: str
    description: str
    first_seen_at: datetime
    last_seen_at: datetime


class Pod(Record):
    """A pod by its boot."""

    pod_id: UUID
    name: str
    serves: list[str]
    address: str | None
    status: str
    started_at: datetime
    heartbeat_at: datetime


class QueueDepth(Record):
    """Gauges of one queue; counts stop at 1000."""

    queue: str
    pending_tasks: int
    in_progress_tasks: int
    oldest_pending_seconds: float


class ApiKey(Record):
    """Whose key it is and what it may do. `scopes`: None for all of its role.

    `use_is_noted`: whether the time of its last use was written within the last minute.
    """

    tenant_id: str
    key_id: UUID
    name: str
    role: str
    scopes: list[str] | None
    use_is_noted: bool


class ApiKeySummary(Record):
    """A key in a list. `old_key_until`: how long the key before the last rotation is valid."""

    key_id: UUID
    name: str
    role: str
    scopes: list[str] | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    old_key_until: datetime | None
    revoked_at: datetime | None


class FoundInstance(InstanceSummary):
    """A process instance that a search found, or, with `is_match` False, the last one that it looked at."""

    is_match: bool
