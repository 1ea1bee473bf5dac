"""Pushes: google-auth against a real token endpoint that checks the signed JWT, and a real send endpoint."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from certificates import pem_of, private_key
from receivers import Receiver

from agent_pod.servers import LoopServer
from delivery.service_account import ServiceAccount
from kernel.errors import SettingsInvalid
from kernel.functions import Kernel

ACCESS = "ya29.an-access-token"
DEVICE = "d3v1ce-t0ken"
Start = Callable[..., Awaitable[Any]]
Outbox = Callable[..., Awaitable[Any]]
Put = Callable[..., None]


@pytest.fixture
async def tokens() -> Receiver:
    endpoint = Receiver()
    endpoint.then(200, {"Content-Type": "application/json"}, {"access_token": ACCESS, "expires_in": 3600})
    return endpoint


@pytest.fixture
async def account(tmp_path: Path, tokens: Receiver) -> AsyncIterator[tuple[Path, Any]]:
    """A service account file whose token endpoint is `tokens`, and its private key."""
    key, path = private_key(), tmp_path / "account.json"
    async with LoopServer(tokens, "127.0.0.1", 0) as server:
        info = {
            "type": "service_account",
            "project_id": "acme-push",
            "private_key_id": "k1",
            "private_key": pem_of(key).decode(),
            "client_email": "fleet@acme-push.test",
            "token_uri": f"{server.url}/token",
        }
        path.write_text(json.dumps(info))
        yield path, key


@pytest.fixture
async def fcm(account: tuple[Path, Any], receiver_url: str) -> dict[str, Any]:
    return {"fleet_fcm_credentials": account[0], "fleet_fcm_url": receiver_url}


@pytest.fixture
async def device(kernel_api: Kernel, put: Put) -> None:
    """Ann's device, and a push for it in the outbox."""
    put("fcm", (await kernel_api.save_device("ann@acme.test", DEVICE, "android")).device_id, key="key-1")


@pytest.mark.usefixtures("device")
async def test_a_push_goes_out_with_a_token_for_a_signed_jwt(
    start_deliverer: Start, outbox: Outbox, receiver: Receiver, tokens: Receiver, account: Any, fcm: dict[str, Any]
) -> None:
    await start_deliverer(**fcm)
    await outbox(status="DELIVERED")
    [asked] = tokens.received
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    audience = "https://oauth2.googleapis.com/token"  # google-auth names this one, wherever the endpoint is
    claims = jwt.decode(form["assertion"][0], account[1].public_key(), algorithms=["RS256"], audience=audience)
    assert claims["iss"] == "fleet@acme-push.test"
    assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
    [sent] = receiver.received
    assert sent.path == "/v1/projects/acme-push/messages:send"
    assert sent.headers["authorization"] == f"Bearer {ACCESS}"
    message = sent.json["message"]
    assert message["token"] == DEVICE
    assert message["notification"] == {"title": "Your task: Décide now", "body": "A task waits for you."}
    assert message["data"]["idempotency_key"] == "key-1" and message["data"]["notify_id"] == "7"


@pytest.mark.usefixtures("device")
async def test_a_device_that_firebase_forgot_is_forgotten(
    start_deliverer: Start, outbox: Outbox, receiver: Receiver, fcm: dict[str, Any], kernel_api: Kernel
) -> None:
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED"}]
    receiver.then(404, content={"error": {"code": 404, "status": "NOT_FOUND", "details": details}})
    await start_deliverer(**fcm)
    await outbox(status="DEAD")
    assert await kernel_api.find_devices("ann@acme.test") == []


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(("status", "ends"), [(400, "DEAD"), (404, "DEAD"), (429, "PENDING"), (503, "PENDING")])
async def test_what_else_firebase_may_answer(
    start_deliverer: Start,
    outbox: Outbox,
    receiver: Receiver,
    fcm: dict[str, Any],
    kernel_api: Kernel,
    status: int,
    ends: str,
) -> None:
    receiver.then(status, {"Retry-After": "60"})
    await start_deliverer(**fcm)
    row = await outbox(status=ends, attempts=1)
    assert row["last_error"] == f"the receiver answered HTTP {status}"
    assert ends == "DEAD" or 50 < row["wait"] <= 60
    assert len(await kernel_api.find_devices("ann@acme.test")) == 1


@pytest.mark.usefixtures("device")
async def test_refused_credentials_are_asked_for_again_and_lose_nothing(
    start_deliverer: Start, outbox: Outbox, receiver: Receiver, tokens: Receiver, fcm: dict[str, Any], owner: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    tokens.then(400, {"Content-Type": "application/json"}, {"error": "invalid_grant", "error_description": ACCESS})
    tokens.then(200, {"Content-Type": "application/json"}, {"access_token": "ya29.another", "expires_in": 3600})
    receiver.then(401)
    await start_deliverer(**fcm)
    row = await outbox(status="PENDING", attempts=1)
    assert row["last_error"] == "Firebase refused the credentials with HTTP 401: check FLEET_FCM_CREDENTIALS"
    owner.execute("update outbox set next_attempt_at = kernel.now()")
    row = await outbox(status="PENDING", attempts=2)
    assert row["last_error"] == "the token endpoint gave no token: RefreshError"
    owner.execute("update outbox set next_attempt_at = kernel.now()")
    await outbox(status="DELIVERED")
    assert receiver.received[-1].headers["authorization"] == "Bearer ya29.another"
    for secret in (ACCESS, DEVICE, "PRIVATE KEY"):
        assert secret not in caplog.text


def test_a_file_that_is_no_service_account_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    for content in ("not json", '{"project_id": "p", "private_key": "s3cret"}', "[]"):
        path.write_text(content)
        with pytest.raises(SettingsInvalid, match="FLEET_FCM_CREDENTIALS") as refusal:
            ServiceAccount.read(path, 1)
        assert "s3cret" not in str(refusal.value)
