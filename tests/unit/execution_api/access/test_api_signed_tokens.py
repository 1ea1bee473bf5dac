"""User tokens with asymmetric signatures: whose key, which algorithm, and what happens when keys change."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from key_server import KeyServer
from places import Place
from pydantic import SecretStr
from user_tokens import JWT_SECRET, public_key, user_token

from execution_api.access.signing_keys import KeysUnavailable, SigningKeys
from execution_api.access.token_check import TokenCheck
from execution_api.requests.problems import ApiProblem
from execution_api.settings import ApiSettings

ISSUER = "https://project.supabase.co/auth/v1"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with KeyServer() as server:
        server.answer = {"keys": [public_key(EC_KEY, "first"), public_key(RSA_KEY, "rsa")]}
        yield server


@pytest.fixture
def settings(place: Place, model_url: str, key_server: KeyServer) -> ApiSettings:
    return ApiSettings(
        database_url=SecretStr(place.url),
        openai_base_url=model_url,
        supabase_jwt_secret=SecretStr(JWT_SECRET),
        supabase_jwks_url=key_server.url,
        supabase_jwt_issuer=ISSUER,
    )


async def status_and_word(client: httpx.AsyncClient, token: str) -> tuple[int, str]:
    answer = await client.get("/instances", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("type", "").rpartition(":")[2]


def signed(place: Place, key: Any = EC_KEY, key_id: str | None = "first", **changes: Any) -> str:
    algorithm = "RS256" if key is RSA_KEY else "ES256"
    headers = {"kid": key_id} if key_id else {}
    return user_token(place.tenant, key, algorithm, headers, **{"iss": ISSUER, "role": "authenticated", **changes})


async def test_tokens_of_every_kind_of_key_are_accepted(anybody: httpx.AsyncClient, place: Place) -> None:
    for token in (signed(place), signed(place, RSA_KEY, "rsa"), user_token(place.tenant, iss=ISSUER)):
        assert await status_and_word(anybody, token) == (200, "")


async def test_what_is_wrong_with_a_signed_token_is_said(anybody: httpx.AsyncClient, place: Place) -> None:
    wrong = {
        signed(place, OTHER_EC_KEY): "token_signature",
        signed(place, key_id="unknown"): "token_key",
        signed(place, key_id=None): "token_key",
        signed(place, EC_KEY, "rsa"): "token_key",
        signed(place, exp=int(time.time()) - 1): "token_expired",
        signed(place, aud="another"): "token_audience",
        signed(place, iss="https://other.supabase.co/auth/v1"): "token_issuer",
        signed(place, iss=None): "token_claims",
        user_token(place.tenant): "token_claims",
        signed(place, role="service_role"): "token_role",
        with_the_public_key_as_secret(place): "token_signature",
    }
    for token, word in wrong.items():
        assert await status_and_word(anybody, token) == (401, word)
    assert await status_and_word(anybody, signed(place)) == (200, "")


def with_the_public_key_as_secret(place: Place) -> str:
    """A forgery that works where the token chooses the algorithm: everybody has the public key."""
    public = EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    content = user_token(place.tenant, iss=ISSUER, headers={"kid": "first"}).rpartition(".")[0]
    signature = hmac.new(public, content.encode(), hashlib.sha256).digest()
    return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def test_a_rotated_key_works_at_once_and_the_old_one_ends(key_server: KeyServer, place: Place) -> None:
    now = 1000.0
    keys = SigningKeys(key_server.url, lambda: now)
    assert await keys.find("first", "ES256") is not None
    key_server.answer = {"keys": [public_key(OTHER_EC_KEY, "second")]}
    assert await keys.find("first", "ES256") is not None
    now += 10
    assert await keys.find("second", "ES256") is not None
    assert await keys.find("first", "ES256") is None
    await keys.close()


async def test_keys_are_asked_for_rarely_whatever_tokens_name(key_server: KeyServer) -> None:
    now = 1000.0
    keys = SigningKeys(key_server.url, lambda: now)
    found = await asyncio.gather(*(keys.find(f"invented-{number}", "ES256") for number in range(50)))
    assert (set(found), key_server.asked) == ({None}, 1)
    for seconds, asked in ((9, 1), (2, 1), (580, 1), (20, 2)):
        now += seconds
        assert await keys.find("first", "ES256") is not None
        assert key_server.asked == asked
    await keys.close()


@pytest.mark.parametrize("fault", ["status", "html", "no set", "too long", "gone"])
async def test_known_keys_outlive_an_outage_of_an_hour_and_no_longer(key_server: KeyServer, fault: str) -> None:
    now = 1000.0
    keys = SigningKeys(key_server.url, lambda: now)
    assert await keys.find("first", "ES256") is not None
    if fault == "gone":
        keys._url = "http://127.0.0.1:1/"
    key_server.status = 500 if fault == "status" else 200
    key_server.answer = {"html": b"<html>", "no set": [], "too long": b" " * 300_000}.get(fault, {"keys": []})
    for _ in range(5):
        now += 700
        assert await keys.find("first", "ES256") is not None
    now += 700
    with pytest.raises(KeysUnavailable):
        await keys.find("first", "ES256")
    await keys.close()


async def test_without_keys_a_signed_token_is_not_refused_but_put_off(
    anybody: httpx.AsyncClient, key_server: KeyServer, place: Place
) -> None:
    key_server.status = 503
    answer = await anybody.get("/instances", headers={"Authorization": f"Bearer {signed(place)}"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert answer.json()["type"].endswith(":signing_keys_unavailable")
    assert await status_and_word(anybody, user_token(place.tenant, iss=ISSUER)) == (200, "")


async def test_keys_that_cannot_sign_tokens_are_left_out(key_server: KeyServer) -> None:
    secret = {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode(), "kid": "first", "alg": "HS256"}
    broken = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "first"}
    key_server.answer = {"keys": [secret, broken, 7, {}, public_key(EC_KEY, "first", use="enc")]}
    keys = SigningKeys(key_server.url)
    for algorithm in ("HS256", "ES256", "RS256"):
        assert await keys.find("first", algorithm) is None
    await keys.close()


async def test_what_is_not_configured_is_not_accepted(place: Place, key_server: KeyServer) -> None:
    database = SecretStr("postgresql://nowhere")
    only_keys = TokenCheck(ApiSettings(database_url=database, supabase_jwks_url=key_server.url))
    only_secret = TokenCheck(ApiSettings(database_url=database, supabase_jwt_secret=SecretStr(JWT_SECRET)))
    neither = TokenCheck(ApiSettings(database_url=database))
    shared, own = user_token(), signed(place)
    assert (await only_keys.verify(own))["email"] == (await only_secret.verify(shared))["email"] == "ann@acme.test"
    for check, token in ((only_keys, shared), (only_secret, own), (neither, shared), (neither, own)):
        with pytest.raises(ApiProblem) as refused:
            await check.verify(token)
        assert (refused.value.status_code, refused.value.word) == (401, "token_algorithm")
    await only_keys.close()


async def test_the_database_knows_the_user_in_policies_of_its_own(
    anybody: httpx.AsyncClient, place: Place, owner: psycopg.Connection
) -> None:
    ann, bob = str(uuid4()), str(uuid4())
    owner.execute("create schema auth; grant usage on schema auth to fleet_api")
    owner.execute("""create function auth.uid() returns uuid language sql stable as
        $$ select (current_setting('request.jwt.claims')::jsonb ->> 'sub')::uuid $$""")
    owner.execute("""create function auth.role() returns text language sql stable as
        $$ select current_setting('request.jwt.claims')::jsonb ->> 'role' $$""")
    rule = f"auth.uid() = '{ann}' and auth.role() = 'authenticated'"
    owner.execute(
        f"create policy only_ann on public.agent_profile as restrictive for select to fleet_api using ({rule})"
    )
    agent = {"name": "n", "role": "r", "goal": "g"}
    seen = {}
    for user in (ann, bob):
        headers = {"Authorization": f"Bearer {signed(place, sub=user, fleet_role='admin')}"}
        assert (await anybody.put("/agents/clerk", json=agent, headers=headers)).is_success
        seen[user] = len((await anybody.get("/agents", headers=headers)).json()["items"])
    assert seen == {ann: 1, bob: 0}
