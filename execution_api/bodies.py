"""What goes into the API and comes out, where it is not a row that the kernel returns as it is."""

from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from kernel.models import Call, Cost, DefinitionSummary, Event, InstanceSummary, Task

_T = TypeVar("_T")

LARGEST_VERSION = 2**31 - 1
LARGEST_EVENT_ID = 2**63 - 1

DefinitionId = Annotated[str, Field(min_length=1, max_length=255, description="id of the BPMN process element")]
Version = Annotated[int, Field(ge=1, le=LARGEST_VERSION, description="a deployed version; none: the newest")]
Variables = Annotated[dict[str, Any], Field(description="process variables: any JSON")]
Person = Annotated[str, Field(min_length=1, max_length=320, description="a person's e-mail address")]
AgentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Money = Annotated[Decimal, PlainSerializer(lambda amount: format(amount, "f"), return_type=str)]
"""US dollars as text with all their digits: 0.00000125, never 1.25E-6."""
TaskFilter = Literal["ALL", "TODO", "PENDING", "IN_PROGRESS", "WAITING", "DONE", "FAILED", "CANCELLED"]
_Text = Annotated[str, Field(max_length=20_000)]


class Request(BaseModel):
    """Base of all request bodies: a field that is not known is refused, since it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid")


class StartRequest(Request):
    """Starts a process instance."""

    process_definition_id: DefinitionId
    version: Version | None = None
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
        default_factory=list, max_length=500, description="names of the tools it may use; none: all"
    )


class Page(BaseModel, Generic[_T]):
    """One page of a list, newest first."""

    items: list[_T]
    next: str | None = Field(description="address of the next page; null on the last one")


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


class CallList(BaseModel):
    """Model and tool calls in the order of writing."""

    items: list[JournalCall]
    is_complete: bool = Field(description="false where there are more than `limit`")


class DefinitionDetail(BaseModel):
    """A process definition: its newest version and all of them, newest first."""

    id: str
    name: str
    version: int = Field(description="the newest")
    versions: list[DefinitionSummary]


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

    @classmethod
    def of(cls, instance_id: UUID) -> "InstanceLinks":
        """The links of one process instance."""
        here = f"/instances/{instance_id}"
        return cls(instance=here, events=f"{here}/events", calls=f"{here}/calls", cancel=f"{here}/cancel")


class InstanceDetail(InstanceSummary):
    """A process instance with its tasks, newest first, and what its model and tool calls came to."""

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
