"""Tokens as Supabase Auth gives them to users, and some that it would not."""

import base64
import json
import time
from typing import Any

import jwt
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

JWT_SECRET = "a secret of at least thirty-two characters"


def user_token(
    tenant: str = "acme",
    secret: Any = JWT_SECRET,
    algorithm: str = "HS256",
    headers: dict[str, Any] | None = None,
    fleet_role: str | None = None,
    groups: list[str] | None = None,
    **changes: Any,
) -> str:
    """A token of ann@acme.test for `tenant`; `changes` replace claims, and None takes one away."""
    metadata = {"tenant_id": tenant, "role": fleet_role, "groups": groups}
    claims = {
        "sub": "5f0c",
        "email": "ann@acme.test",
        "aud": "authenticated",
        "exp": int(time.time()) + 600,
        "app_metadata": {name: value for name, value in metadata.items() if value is not None},
        **changes,
    }
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, secret, algorithm, headers)


def public_key(key: Any, key_id: str, **changes: Any) -> dict[str, Any]:
    """The entry of a private `key` in a key set (RFC 7517)."""
    kind = ECAlgorithm if hasattr(key, "curve") else RSAAlgorithm
    entry = kind.to_jwk(key.public_key(), as_dict=True)
    return {**entry, "kid": key_id, "use": "sig", "alg": "ES256" if kind is ECAlgorithm else "RS256", **changes}


def unsigned_token() -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"sub": "5f0c", "aud": "authenticated", "exp": 4102444800, "app_metadata": {"tenant_id": "acme"}}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def deep_header_token() -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","x":' + b"[" * 20_000).rstrip(b"=").decode()
    return f"{header}.e30.c2ln"
