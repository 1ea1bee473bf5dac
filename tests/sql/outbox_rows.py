"""Putting something into the outbox, and what is there."""

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

PAYLOAD = {"type": "INCIDENT", "timestamp": "2026-11-20T09:30:00+00:00", "data": {"message": "it broke"}}


def put(owner: psycopg.Connection, number: int = 1, *, tenant: str = "acme", **given: Any) -> None:
    """Puts `number` deliveries for a message channel nobody serves but the test; `given` replaces columns."""
    row = {"channel": "message", "destination": "there", "key": None, **given}
    for _ in range(number):
        owner.execute(
            "select kernel.put_outbox(%s, %s::text::public.outbox_channel, %s, %s, %s, null, null, kernel.now(),"
            " kernel.now())",
            [tenant, row["channel"], row["destination"], Jsonb(PAYLOAD), row["key"]],
        )
