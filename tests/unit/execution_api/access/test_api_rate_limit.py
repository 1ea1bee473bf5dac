from collections.abc import Callable

import httpx
import pytest
from places import Place

from execution_api.access.rate_limit import RateLimit
from execution_api.requests.problems import ApiProblem
from execution_api.settings import ApiSettings
from kernel.migrate import create_api_key


@pytest.fixture
def settings(settings: ApiSettings) -> ApiSettings:
    return settings.model_copy(update={"fleet_api_rate": 0.01, "fleet_api_burst": 3})


async def test_more_than_the_burst_is_refused_for_these_credentials_alone(
    client: httpx.AsyncClient, open_client: Callable[..., httpx.AsyncClient], place: Place
) -> None:
    assert [(await client.get("/tasks")).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = await client.get("/tasks")
    assert 90 <= int(refused.headers["retry-after"]) <= 100
    other = open_client({"X-API-Key": create_api_key(place.url, place.tenant, "other")})
    assert (await other.get("/tasks")).status_code == 200
    assert (await client.get("/healthz")).status_code == 200


def test_time_gives_tokens_back_up_to_the_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("execution_api.access.rate_limit.time.monotonic", lambda: now)
    limit = RateLimit(2, 2)
    for wait in (0, 0, 0.5, 100, 0):
        now += wait
        limit.take("key")
    with pytest.raises(ApiProblem) as refusal:
        limit.take("key")
    assert refusal.value.headers == {"Retry-After": "1"}


def test_a_rate_of_nothing_limits_nothing() -> None:
    limit = RateLimit(0, 1)
    for _ in range(10):
        limit.take("key")
