"""The header Idempotency-Key: a request that is sent twice is done once.

The same key with the same request gives the same process instance or task, as it is by then, and says so with
`Idempotency-Replayed: true`. The same key with another request is refused with 422. Keys belong to the tenant; the
kernel keeps key and deed in one transaction, so two equal requests at the same moment are one deed, too.
"""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header, Response
from pydantic import BaseModel

REPLAYED_HEADER = "Idempotency-Replayed"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="A name of yours for this request: sent twice under it, it is done once.",
        examples=["order-4711"],
    ),
]

REPLAYED = {
    REPLAYED_HEADER: {
        "description": "`true` where this Idempotency-Key had done it before.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
"""How the OpenAPI document describes the header of an answer."""


def fingerprint(operation: str, body: BaseModel) -> str:
    """SHA-256 in hex of what is asked: two requests with the same one ask for the same."""
    asked: Any = [operation, body.model_dump(mode="json", exclude_unset=True)]
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def mark_replayed(response: Response, replayed: bool) -> None:
    """Say in the answer that its request had been done before, where it had."""
    if replayed:
        response.headers[REPLAYED_HEADER] = "true"
