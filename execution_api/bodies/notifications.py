"""What goes into the API about notifications and comes out."""

from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, Field, StrictBool, field_validator, model_validator

from execution_api.bodies.rows import LARGEST_EVENT_ID, Person, Request
from kernel.notification_models import NotificationType, WebhookEndpoint, WebhookType

NotifyId = Annotated[int, Field(strict=True, ge=1, le=LARGEST_EVENT_ID)]
Channel = Literal["email", "fcm"]
_Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]
_ADDRESS = r"^[^@\s,;:<>]+@[^@\s,;:<>]+$"


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("Value should be the IANA name of a time zone, such as Asia/Seoul") from None
    return name


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isascii() or any(ord(sign) <= 32 for sign in text):
        raise ValueError("Value should be an https address without user and password")
    return text


class ReadFlag(Request):
    """Whether a notification was read."""

    read_flag: StrictBool


class ReadThrough(Request):
    """Marks all notifications of a person as read, up to the newest that they have seen."""

    person: Person | None = Field(None, description="none: the user of the token; an API key has to name somebody")
    through: NotifyId = Field(description="`notify_id` of the newest one to mark")


class Marked(BaseModel):
    """How many notifications were marked as read that were not before."""

    marked: int


class QuietTimeRequest(Request):
    """No mail and no push between `begin` and `end`; they come afterwards."""

    begin: _Clock
    end: _Clock
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(description="IANA name", examples=["Asia/Seoul"])

    @model_validator(mode="after")
    def _is_a_span(self) -> "QuietTimeRequest":
        if self.begin == self.end:
            raise ValueError("begin and end should differ; to hear nothing at all, choose no channels")
        return self


class PreferencesRequest(Request):
    """How somebody wants to hear of what."""

    channels: dict[NotificationType, Annotated[list[Channel], Field(max_length=2)]] = Field(
        description="for each type the ways to be told; a type that is left out is as the tenant or the default has it"
    )
    quiet: QuietTimeRequest | None = None
    email: Annotated[str, Field(max_length=320, pattern=_ADDRESS)] | None = Field(
        None, description="where to write; none: it stays as it is, at first the person's own address"
    )


class DeviceRequest(Request):
    """Registers an app on a device for pushes."""

    person: Person | None = Field(None, description="none: the user of the token; an API key has to name somebody")
    token: Annotated[str, Field(min_length=1, max_length=4096)] = Field(description="Firebase's registration token")
    platform: Literal["android", "ios", "web"]


class WebhookRequest(Request):
    """An endpoint that is told of the tenant's notifications, and of messages that processes send outside."""

    url: Annotated[str, Field(max_length=2000), AfterValidator(_url)]
    description: Annotated[str, Field(max_length=500)] = ""
    types: list[WebhookType] = Field(
        default_factory=list,
        description="which notifications; none: all of them. `MESSAGE`: the messages that processes throw and nobody "
        "in the tenant takes",
    )

    @field_validator("types")
    @classmethod
    def _each_once(cls, types: list[WebhookType]) -> list[WebhookType]:
        return sorted(set(types))


class WebhookChange(WebhookRequest):
    """An endpoint as it is to be from now on."""

    enabled: bool = Field(
        True, strict=True, description="true also takes one up again that was disabled because it was gone"
    )


DEFAULT_SECRET_GRACE_SECONDS = 86_400


class SecretRotation(Request):
    """Replaces the secret of an endpoint by another."""

    grace_seconds: int = Field(
        DEFAULT_SECRET_GRACE_SECONDS,
        strict=True,
        ge=0,
        le=2_592_000,
        description="how long messages are signed with the old secret too; at most 30 days",
    )


class NewWebhook(WebhookEndpoint):
    """An endpoint with its new secret, which is shown this once."""

    secret: str = Field(description="`whsec_` and base64: what messages are signed with, as in Standard Webhooks")
