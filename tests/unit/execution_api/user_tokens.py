"""Tokens as Supabase Auth gives them to users, and some that it would not."""

import base64
import json
import time
from typing import Any

import jwt

JWT_SECRET = "a secret of at least thirty-two characters"


def user_token(tenant: str = "acme", secret: str = JWT_SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """A token of ann@acme.test for `tenant`; `changes` replace claims, and None takes one away."""
    claims = {
        "sub": "5f0c",
        "email": "ann@acme.test",
        "aud": "authenticated",
        "exp": int(time.time()) + 600,
        "app_metadata": {"tenant_id": tenant},
        **changes,
    }
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, secret, algorithm=algorithm)


def unsigned_token() -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"sub": "5f0c", "aud": "authenticated", "exp": 4102444800, "app_metadata": {"tenant_id": "acme"}}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def deep_header_token() -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","x":' + b"[" * 20_000).rstrip(b"=").decode()
    return f"{header}.e30.c2ln"
