"""Signatures of webhooks, as in Standard Webhooks 1.0 (symmetric, v1): https://www.standardwebhooks.com."""

import base64
import hmac
from hashlib import sha256

_PREFIX = "whsec_"


def signed_headers(secret: str, key: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message. `secret`: whsec_ and base64; `key`: the same for each attempt; `timestamp`: of
    this attempt, in seconds since 1970.

    The signature is HMAC-SHA256 over "key.timestamp.body", in base64.
    """
    mac = hmac.new(base64.b64decode(secret.removeprefix(_PREFIX)), f"{key}.{timestamp}.".encode() + body, sha256)
    return {
        "webhook-id": key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(mac.digest()).decode()}",
    }
