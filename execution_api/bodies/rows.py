"""What goes into the API and comes out, where it is not a row that the kernel returns as it is."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from execution_api.access.scopes import Role, Scope
from kernel.journal_models import Call, Cost
from kernel.models import ApiKeySummary, DecisionSummary, DefinitionSummary, Event, InstanceSummary, Task

_T = TypeVar("_T")

LARGEST_VERSION = 2**31 - 1
LARGEST_EVENT_ID = 2**63 - 1
DEFAULT_GRACE_SECONDS = 3600

DefinitionId = Annotated[str, Field(min_length=1, max_length=255, description="id of the BPMN process element")]
Version = Annotated[int, Field(ge=1, le=LARGEST_VERSION, description="a deployed version; none: the newest")]
SentVersion = Annotated[Version, Field(strict=True)]
"""A version in a JSON body: a number, and not a text that looks like one."""
Variables = Annotated[dict[str, Any], Field(description="process variables: any JSON")]
Person = Annotated[str, Field(min_length=1, max_length=320, description="a person's e-mail address")]
GroupName = Annotated[str, Field(min_length=1, max_length=200)]
AgentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Money = Annotated[Decimal, PlainSerializer(lambda amount: format(amount, "f"), return_type=str)]
"""US dollars as text with all their digits: 0.00000125, never 1.25E-6."""
TaskFilter = Literal["ALL", "TODO", "PENDING", "IN_PROGRESS", "WAITING", "DONE", "FAILED", "CANCELLED"]
_Text = Annotated[str, Field(max_length=20_000)]
# what a due time or an expiry can sensibly be; beyond it times are no longer the same in all programs
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)


def _as_written(value: object) -> object:
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value):
        return value
    raise ValueError("is no time like 2026-11-20T09:30:00Z")  # pydantic would take numbers as Unix time


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)  # PostgreSQL knows no zones beyond 15:59 from it
    except OverflowError:
        raise ValueError("is before the first year or after the last") from None


SentTime = Annotated[AwareDatetime, BeforeValidator(_as_written), AfterValidator(_in_utc)]
"""A time with its zone in a request, as RFC 3339 writes it."""


class Request(BaseModel):
    """Base of all request bodies: a field that is not known is refused, since it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid")


class StartRequest(Request):
    """Starts a process instance."""

    process_definition_id: DefinitionId
    version: SentVersion | None = None
    variables: Variables = Field(default_factory=dict)
    initiator: Person | None = Field(
        None,
        description="on whose behalf; none: the caller. A user token may name its own user only. The process sees it "
        "as variable `initiator`.",
    )


class SubmitRequest(Request):
    """Ends a person's task."""

    output: dict[str, Any] = Field(description="what the person entered: the fields of the task's form")


class CancelRequest(Request):
    """Cancels a process instance."""

    reason: str = Field(min_length=1, max_length=2000, description="why; written to the instance's events")


class BulkCancelRequest(Request):
    """Cancels all process instances that fit. At least one of the filters must be given."""

    reason: str = Field(min_length=1, max_length=2000, description="why; written to each instance's events")
    dry_run: bool = Field(True, strict=True, description="true: only say which ones it would be")
    most: int = Field(100, strict=True, ge=1, le=500, description="most instances to cancel at once")
    status: Literal["RUNNING", "ERROR"] | None = Field(None, description="none: both")
    process_definition_id: DefinitionId | None = None
    version: SentVersion | None = None
    initiator: Person | None = None
    started_from: SentTime | None = None
    started_before: SentTime | None = None


class RollbackRequest(Request):
    """Makes an old version the newest one."""

    version: SentVersion = Field(description="the version whose BPMN file is deployed again, as a new version")


class ClaimRequest(Request):
    """Takes a task."""

    person: Person | None = Field(None, description="for whom; none: the caller. Others only with the scope `operate`")


class AnswerRequest(Request):
    """Answers a question."""

    answer: Any = Field(description="what the person says; it must satisfy the question's `form` where there is one")


class DelegateRequest(Request):
    """Lets somebody else do a task."""

    person: Person


class ReassignRequest(Request):
    """Gives a task to a person, or back to its groups."""

    person: Person | None = Field(None, description="none: whoever of the groups claims it")
    groups: list[GroupName] | None = Field(None, max_length=100, description="its new groups; none: they stay")


class TaskChange(Request):
    """Changes what is given, and nothing else."""

    priority: int = Field(3, strict=True, ge=1, le=5, description="5 is the highest")
    due_at: Annotated[SentTime, Field(ge=_EARLIEST, le=_LATEST)] | None = Field(
        None, description="when it should be done; null: no time"
    )


class KeyRequest(Request):
    """Makes an API key."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="what it is for; written to events")]
    role: Role
    scopes: list[Scope] | None = Field(None, max_length=20, description="only these of the role's scopes; none: all")
    expires_at: Annotated[SentTime, Field(ge=_EARLIEST, le=_LATEST)] | None = Field(None, description="none: never")


class RotateRequest(Request):
    """Replaces an API key by another."""

    grace_seconds: int = Field(
        DEFAULT_GRACE_SECONDS,
        strict=True,
        ge=0,
        le=2_592_000,
        description="how long the old key is valid still; at most 30 days",
    )


class MessageRequest(Request):
    """Sends a message to the one who waits for it."""

    name: Annotated[str, Field(min_length=1, max_length=255, description="name of the message in the models")]
    correlation_key: Annotated[str, Field(max_length=1000)] = Field(
        "", description="says which instance is meant: what its correlationKey gave"
    )
    variables: Variables = Field(default_factory=dict)
    ttl_seconds: Annotated[int, Field(strict=True, ge=0, le=2_592_000)] = Field(
        3600, description="how long it is kept where nobody waits for it yet"
    )


class SignalRequest(Request):
    """Sends a signal to everything that waits for it now."""

    name: Annotated[str, Field(min_length=1, max_length=255, description="name of the signal in the models")]
    variables: Variables = Field(default_factory=dict)


_Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
_Dollars = Annotated[Decimal, Field(gt=0, le=1_000_000_000)]


class LimitsRequest(Request):
    """What one task may use in all its attempts; none: any amount."""

    model_calls: _Count | None = None
    tool_calls: _Count | None = None
    tokens: Annotated[_Count | None, Field(description="of requests and answers together")] = None
    cost_usd: Annotated[_Dollars | None, Field(description="US dollars")] = None
    run_seconds: Annotated[_Count | None, Field(description="time in a pod; waiting does not count")] = None
    repeats: Annotated[_Count | None, Field(description="how often in a row a call may be answered with the same")] = (
        None
    )


class AgentRequest(Request):
    """Who the model is told to be, which model it is and which tools it may use."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: _Text
    goal: _Text
    persona: _Text = ""
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="none: the fleet's default model"
    )
    tools: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default_factory=list,
        max_length=500,
        description="names of the tools it may use, `server__*` for all of a server; none: all",
    )
    limits: LimitsRequest = Field(LimitsRequest(), description="of each task that works as this agent")


class Page(BaseModel, Generic[_T]):
    """One page of a list."""

    items: list[_T]
    next: str | None = Field(description="address of the next page; null on the last one")


class NewKey(ApiKeySummary):
    """An API key that was made a moment ago."""

    key: str = Field(description="the key itself; it cannot be shown again")


class BulkCancelled(BaseModel):
    """What a bulk cancel did, or would do."""

    dry_run: bool
    instances: list[UUID] = Field(description="which ones, newest first")
    cancelled: int = Field(description="0 in a dry run; less than there are instances where some ended meanwhile")
    is_complete: bool = Field(description="false where more fit: ask again")


class Items(BaseModel, Generic[_T]):
    """A whole list."""

    items: list[_T]


class JournalCall(Call):
    """A model or tool call."""

    cost_usd: Money | None = Field(description="null where the price of the model is not known")


class InstanceCost(Cost):
    """What the instance's model and tool calls came to."""

    cost_usd: Money | None = Field(description="null where the price of a model is not known")


class EventPage(BaseModel):
    """Events in the order of writing."""

    items: list[Event]
    after: int = Field(description="give this as `after` to read on, at once or later")
    next: str | None = Field(description="address of the next page; null on the last one")


class DefinitionDetail(BaseModel):
    """A process definition: its newest version and all of them, newest first."""

    id: str
    name: str
    version: int = Field(description="the newest")
    versions: list[DefinitionSummary]


class DecisionDetail(BaseModel):
    """A decision: its newest version and all of them, newest first."""

    id: str
    name: str
    version: int = Field(description="the newest")
    versions: list[DecisionSummary]


class DecisionRequest(Request):
    """Asks a decision."""

    variables: Variables = Field(default_factory=dict)
    version: SentVersion | None = None


class DecisionMade(BaseModel):
    """The answer of a decision."""

    id: str
    version: int
    output: Any = Field(description="one value, an object by output name, or a list of these: see the hit policy")


class InstanceStarted(BaseModel):
    """A started process instance."""

    process_instance_id: UUID
    links: "InstanceLinks"


class InstanceLinks(BaseModel):
    """Where to go from here; addresses are relative to the API's."""

    instance: str
    events: str
    calls: str
    cancel: str
    retry: str

    @classmethod
    def of(cls, instance_id: UUID) -> "InstanceLinks":
        """The links of one process instance."""
        here = f"/instances/{instance_id}"
        return cls(
            instance=here,
            events=f"{here}/events",
            calls=f"{here}/calls",
            cancel=f"{here}/cancel",
            retry=f"{here}/incidents/retry",
        )


class InstanceDetail(InstanceSummary):
    """A process instance with its tasks, newest first, and what its model and tool calls came to."""

    forked_from: UUID | None = Field(description="of a fork: the instance that it came from")
    forked_step: int | None = Field(description="of a fork: the step of that before which it begins")
    variables: dict[str, Any]
    tasks: list[Task] = Field(description="the newest 500; GET /tasks?instance=…&status=ALL has all of them")
    cost: InstanceCost
    links: InstanceLinks


class SavedDocument(BaseModel):
    """A document that can be searched now."""

    doc_id: UUID
    title: str
    source: str
    media_type: str
    characters: int
    passages: int = Field(description="into how many passages it was cut for the search")


class Health(BaseModel):
    """The program lives, or is ready."""

    status: str
