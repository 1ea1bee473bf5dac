"""Signatures of webhooks, as in Standard Webhooks 1.0 (symmetric, v1): https://www.standardwebhooks.com."""

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256

_PREFIX = "whsec_"


def signed_headers(secrets: Sequence[str], key: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message. `secrets`: each whsec_ and base64; `key`: the same for each attempt; `timestamp`:
    of this attempt, in seconds since 1970.

    A signature is HMAC-SHA256 over "key.timestamp.body", in base64. There is one for each secret, with a space between:
    receivers take a message of which one fits, so that a secret can be changed without losing any.
    """
    signed = f"{key}.{timestamp}.".encode() + body
    return {
        "webhook-id": key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    mac = hmac.digest(base64.b64decode(secret.removeprefix(_PREFIX)), signed, sha256)
    return base64.b64encode(mac).decode()
