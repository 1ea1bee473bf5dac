"""Settings of a deliverer."""

from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork, SecretStr

from kernel.settings import Settings


class DeliverySettings(Settings):
    """From environment variables of the same names (upper case)."""

    fleet_smtp_host: str | None = Field(None, description="mail server; without it mails wait in the outbox")
    fleet_smtp_port: int = Field(587, ge=1, le=65_535, description="its port")
    fleet_smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="`starttls`, `tls` from the first byte, or `none`, for a relay on this machine"
    )
    fleet_smtp_username: str | None = Field(None, description="user of the mail server; none: no login")
    fleet_smtp_password: SecretStr | None = Field(None, description="password of that user")
    fleet_smtp_from: str = Field("process-fleet@localhost", min_length=3, description="sender of mails")
    fleet_delivery_templates: Path = Field(
        Path(__file__).resolve().parent / "templates.yaml", description="the words of mails and pushes"
    )
    fleet_webhook_allow: list[IPvAnyNetwork] = Field(
        default=[],
        description="networks that webhooks may reach though they are private, as a JSON list such as "
        '`["10.1.0.0/16"]`; there plain http is allowed as well',
    )
    fleet_fcm_credentials: Path | None = Field(
        None, description="service account file of a Firebase project; without it pushes wait in the outbox"
    )
    fleet_fcm_url: str = Field("https://fcm.googleapis.com", description="Firebase Cloud Messaging, HTTP v1")
    fleet_delivery_slots: int = Field(
        32, ge=4, le=500, description="most deliveries at one time; a tenant gets a quarter"
    )
    fleet_delivery_timeout_seconds: float = Field(15.0, gt=0, le=300, description="longest time for one attempt")
    fleet_delivery_poll_seconds: float = Field(
        2.0, gt=0, le=60, description="longest pause between looks at the outbox"
    )
    fleet_delivery_host: str = Field("127.0.0.1", description="address of health and metrics")
    fleet_delivery_port: int = Field(8702, ge=0, le=65_535, description="port of health and metrics; 0: any")
