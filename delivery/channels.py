"""The channels that the settings allow. What is for another one waits in the outbox for a deliverer that has it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from delivery.attempt import Send
from delivery.mail import Mail
from delivery.push import Push
from delivery.service_account import ServiceAccount
from delivery.settings import DeliverySettings
from delivery.templates import Templates
from delivery.webhook import Webhook
from kernel.notification_models import OutboxChannel


@asynccontextmanager
async def open_channels(settings: DeliverySettings) -> AsyncIterator[Mapping[OutboxChannel, Send]]:
    """Webhooks and messages always; mails with FLEET_SMTP_HOST, pushes with FLEET_FCM_CREDENTIALS.

    Raises SettingsInvalid.
    """
    templates = Templates.read(settings.fleet_delivery_templates)
    timeout = settings.fleet_delivery_timeout_seconds
    async with AsyncExitStack() as stack:
        webhook = Webhook(settings.fleet_webhook_allow, timeout)
        stack.push_async_callback(webhook.aclose)
        channels: dict[OutboxChannel, Send] = {
            OutboxChannel.WEBHOOK: webhook.send,
            OutboxChannel.MESSAGE: webhook.send,
        }
        if settings.fleet_smtp_host:
            channels[OutboxChannel.EMAIL] = Mail(settings, templates).send
        if settings.fleet_fcm_credentials:
            account = ServiceAccount.read(settings.fleet_fcm_credentials, timeout)
            push = Push(settings.fleet_fcm_url, account, templates, timeout)
            stack.push_async_callback(push.aclose)
            channels[OutboxChannel.FCM] = push.send
        yield channels
