"""Mails over real SMTP: encryption and login, what is said, and what each refusal leads to."""

import email
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from sample_payload import PAYLOAD

from delivery.templates import Templates
from kernel.errors import SettingsInvalid

PASSWORD = "correct horse battery staple"
Start = Callable[..., Awaitable[Any]]
Outbox = Callable[..., Awaitable[Any]]
Put = Callable[..., None]


class MailBox:
    """Takes mails; `refusals` are its answers to the next recipients."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self.mails: list[EmailMessage] = []

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes) and envelope.rcpt_tos == ["ann@acme.test"]
        mail = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


def check_login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"fleet", PASSWORD.encode()), handled=False)


@contextmanager
def smtp_server(box: MailBox, port: int = 0, **options: Any) -> Iterator[int]:
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.fixture
def box() -> MailBox:
    return MailBox()


@pytest.fixture
def plain_port(box: MailBox) -> Iterator[int]:
    with smtp_server(box) as port:
        yield port


def plain(port: int) -> dict[str, Any]:
    return {"fleet_smtp_host": "127.0.0.1", "fleet_smtp_port": port, "fleet_smtp_security": "none",
            "fleet_smtp_from": "Fleet <fleet@acme.test>"}  # fmt: skip


def tls_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_a_mail_says_what_happened_in_one_piece(
    start_deliverer: Start, put: Put, outbox: Outbox, box: MailBox, plain_port: int
) -> None:
    put("email", "ann@acme.test", key="key-1")
    await start_deliverer(**plain(plain_port))
    await outbox(status="DELIVERED")
    [mail] = box.mails
    assert mail["Subject"] == "Your task: Décide now"
    assert (mail["To"], mail["From"]) == ("ann@acme.test", "Fleet <fleet@acme.test>")
    assert mail["Message-ID"] == "<key-1@acme.test>" and mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    assert "Décide" in text and "Task: t-1" in text and "Process instance: -" in text


async def test_a_mail_goes_out_over_starttls_with_a_login(
    start_deliverer: Start, put: Put, outbox: Outbox, box: MailBox, certificate: tuple[Path, Path]
) -> None:
    put("email", "ann@acme.test")
    options = {"tls_context": tls_context(certificate), "require_starttls": True, "auth_required": True}
    with smtp_server(box, authenticator=check_login, **options) as port:
        secure = {**plain(port), "fleet_smtp_security": "starttls", "fleet_smtp_username": "fleet"}
        await start_deliverer(**secure, fleet_smtp_password=PASSWORD)
        await outbox(status="DELIVERED")
    assert len(box.mails) == 1


async def test_a_mail_goes_out_over_tls_from_the_first_byte(
    start_deliverer: Start, put: Put, outbox: Outbox, box: MailBox, certificate: tuple[Path, Path]
) -> None:
    put("email", "ann@acme.test")
    with smtp_server(box, ssl_context=tls_context(certificate)) as port:
        await start_deliverer(**{**plain(port), "fleet_smtp_security": "tls"})
        await outbox(status="DELIVERED")
    assert len(box.mails) == 1


async def test_a_server_without_starttls_gets_neither_mail_nor_password(
    start_deliverer: Start, put: Put, outbox: Outbox, box: MailBox
) -> None:
    put("email", "ann@acme.test")
    logins = []

    def remember(*login: Any) -> AuthResult:
        logins.append(login)
        return AuthResult(success=True)

    with smtp_server(box, authenticator=remember, auth_require_tls=False) as port:
        secure = {**plain(port), "fleet_smtp_security": "starttls", "fleet_smtp_username": "fleet"}
        await start_deliverer(**secure, fleet_smtp_password=PASSWORD)
        await outbox(status="PENDING", attempts=1)
    assert box.mails == [] and logins == []


async def test_a_refused_login_is_mended_and_not_the_end_of_the_mail(
    start_deliverer: Start, put: Put, outbox: Outbox, box: MailBox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "delivery")
    put("email", "ann@acme.test")
    with smtp_server(box, authenticator=check_login, auth_require_tls=False) as port:
        await start_deliverer(**plain(port), fleet_smtp_username="fleet", fleet_smtp_password="wr0ng")
        row = await outbox(status="PENDING", attempts=1)
    assert row["last_error"] == "the mail server refused the login with 535: check FLEET_SMTP_USERNAME"
    assert "535" in caplog.text and "wr0ng" not in caplog.text


@pytest.mark.parametrize(
    ("refusal", "status", "error"),
    [
        ("550 5.1.1 no such user", "DEAD", "the mail server refused the recipient with 550"),
        ("451 4.7.1 try again", "PENDING", "the mail server refused the recipient with 451"),
    ],
)
async def test_5xx_is_final_and_4xx_is_not(
    start_deliverer: Start,
    put: Put,
    outbox: Outbox,
    box: MailBox,
    plain_port: int,
    refusal: str,
    status: str,
    error: str,
) -> None:
    box.refusals.append(refusal)
    put("email", "ann@acme.test")
    await start_deliverer(**plain(plain_port))
    assert (await outbox(status=status, attempts=1))["last_error"] == error


async def test_a_server_that_is_down_loses_nothing(
    start_deliverer: Start, put: Put, outbox: Outbox, box: MailBox, owner: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    put("email", "ann@acme.test")
    await start_deliverer(**plain(port))
    row = await outbox(status="PENDING", attempts=1)
    assert row["last_error"] == "the mail server cannot be reached: SMTPConnectError"
    with smtp_server(box, port):
        owner.execute("update outbox set next_attempt_at = kernel.now()")
        await outbox(status="DELIVERED")


@pytest.mark.parametrize("destination", ["ann@acme.test, bob@acme.test", "ann", "a@b\nBcc: c@d", ""])
async def test_what_is_no_address_is_not_written_to(
    start_deliverer: Start, put: Put, outbox: Outbox, box: MailBox, plain_port: int, destination: str
) -> None:
    put("email", destination)
    await start_deliverer(**plain(plain_port))
    await outbox(status="DEAD", last_error="the destination is no e-mail address")
    assert box.mails == []


async def test_without_a_mail_server_mails_wait(start_deliverer: Start, put: Put, outbox: Outbox, receiver_url: str,
                                                receiver: Any, kernel_api: Any, owner: Any) -> None:  # fmt: skip
    put("email", "ann@acme.test")
    endpoint = await kernel_api.create_webhook(receiver_url, "", [], "whsec_c2VjcmV0")
    put("webhook", endpoint.endpoint_id)
    await start_deliverer()
    await receiver.arrived.wait()
    assert owner.execute("select status, attempts from outbox where channel = 'email'").fetchone() == ("PENDING", 0)


async def test_a_type_without_words_is_refused_by_name(
    start_deliverer: Start, put: Put, outbox: Outbox, plain_port: int
) -> None:
    put("email", "ann@acme.test", payload={**PAYLOAD, "type": "BIRTHDAY"})
    await start_deliverer(**plain(plain_port))
    await outbox(status="DEAD", last_error="there is no template for 'BIRTHDAY'")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[]", "dict"),
        ("{INCIDENT: {title: t, push: p, mail: m}}", "PROCESS_DONE"),
        ("{BIRTHDAY: {title: t, push: p, mail: m}}", "BIRTHDAY"),
        ("{INCIDENT: {title: '{secret}', push: p, mail: m}}", "{secret} is no field"),
        ("{INCIDENT: {title: '{message.__class__}', push: p, mail: m}}", "is no field"),
        ("{", "FLEET_DELIVERY_TEMPLATES"),
    ],
)
def test_templates_that_cannot_be_used_are_refused_at_the_start(tmp_path: Path, content: str, fault: str) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text(content)
    with pytest.raises(SettingsInvalid) as refusal:
        Templates.read(path)
    assert fault in str(refusal.value) and str(path) in str(refusal.value)
