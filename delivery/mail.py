"""E-mail over SMTP (RFC 5321), with STARTTLS or TLS and a login where the settings name one."""

import socket
import ssl
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from delivery.attempt import DELIVERED, Attempt, dead, later
from delivery.settings import DeliverySettings
from delivery.templates import Templates, Words
from kernel.notification_models import ClaimedDelivery


class Mail:
    """Sends notifications by mail. A mail that is sent twice has the same Message-ID both times."""

    def __init__(self, settings: DeliverySettings, templates: Templates):
        self._settings = settings
        self._templates = templates
        self._own_name = socket.gethostname()  # the library would ask DNS for it
        self._tls = None if settings.fleet_smtp_security == "none" else ssl.create_default_context()

    async def send(self, delivery: ClaimedDelivery) -> Attempt:
        """Send one mail to `delivery.destination`, an address."""
        words = self._templates.words(delivery.payload)
        if words is None:
            return dead(f"there is no template for {delivery.payload.get('type')!r}")
        try:
            message = self._message(delivery, words)
        except (ValueError, IndexError, UnicodeError):
            return dead("the destination is no e-mail address")
        try:
            await self._transmit(message)
        except (SMTPException, OSError, ValueError) as error:
            return _of_error(error)
        return DELIVERED

    def _message(self, delivery: ClaimedDelivery, words: Words) -> EmailMessage:
        message = EmailMessage(SMTP)
        sender = self._settings.fleet_smtp_from
        message["From"] = sender
        message["To"] = Address(addr_spec=delivery.destination)
        message["Subject"] = words.title
        message["Date"] = datetime.fromisoformat(delivery.payload["timestamp"])
        message["Message-ID"] = f"<{delivery.idempotency_key}@{sender.rpartition('@')[2].rstrip('>')}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(words.mail)
        return message

    async def _transmit(self, message: EmailMessage) -> None:
        settings = self._settings
        password = settings.fleet_smtp_password
        await aiosmtplib.send(
            message,
            local_hostname=self._own_name,
            hostname=settings.fleet_smtp_host,
            port=settings.fleet_smtp_port,
            username=settings.fleet_smtp_username,
            password=password.get_secret_value() if password else None,
            use_tls=settings.fleet_smtp_security == "tls",
            start_tls=settings.fleet_smtp_security == "starttls",
            tls_context=self._tls,
            timeout=settings.fleet_delivery_timeout_seconds,
        )


def _of_error(error: Exception) -> Attempt:
    """5xx about sender, recipient or content is for good (RFC 5321 section 4.2.1); the rest may be mended.

    A refused login or a missing STARTTLS is a fault of the settings, and no reason to lose mails.
    """
    if isinstance(error, SMTPRecipientsRefused):
        [refusal, *_] = error.recipients
        return _of_code(refusal.code, "the recipient")
    if isinstance(error, SMTPAuthenticationError):
        return later(f"the mail server refused the login with {error.code}: check FLEET_SMTP_USERNAME")
    if isinstance(error, SMTPConnectError | OSError):
        return later(f"the mail server cannot be reached: {type(error).__name__}")
    if isinstance(error, SMTPResponseException):
        return _of_code(error.code, "the mail")
    if isinstance(error, SMTPNotSupported):
        return dead("the mail server does not take addresses of this kind")
    return later(f"the mail was not sent: {type(error).__name__}")


def _of_code(code: int, what: str) -> Attempt:
    error = f"the mail server refused {what} with {code}"
    return dead(error) if code >= 500 else later(error)
