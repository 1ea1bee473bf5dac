"""Commands for webhook endpoints: list, and rotate a secret."""

from pathlib import Path
from typing import Annotated

import typer

from fleet.connection import DEFAULT_DATA
from fleet.console import out, show
from fleet.options import AsJson, open_api

_Data = Annotated[Path, typer.Option(help="Folder of the fleet that `fleet up` was given.")]


def add_to(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command()(webhooks)
    app.command(name="rotate-webhook-secret")(rotate_webhook_secret)


def webhooks(as_json: AsJson = False, data: _Data = DEFAULT_DATA) -> None:
    """List the webhook endpoints of the tenant."""
    with open_api(data) as api:
        found = api.get("/webhooks")["items"]
    show(found, as_json, ["endpoint_id", "url", "types", "enabled", "disabled_reason", "old_secret_until"], "webhooks")


def rotate_webhook_secret(
    endpoint: Annotated[str, typer.Argument(help="Id of the endpoint.")],
    grace_seconds: Annotated[
        int, typer.Option(min=0, max=2_592_000, help="How long messages are signed with the old secret too.")
    ] = 86_400,
    data: _Data = DEFAULT_DATA,
) -> None:
    """Give a webhook endpoint a new secret, and print it. It cannot be shown again."""
    with open_api(data) as api:
        answer = api.post(f"/webhooks/{endpoint}/rotate-secret", {"grace_seconds": grace_seconds})
    out.print(answer["secret"], highlight=False, soft_wrap=True)
