import pytest

from execution_api.settings import ApiSettings
from kernel.errors import SettingsInvalid
from kernel.settings import read_settings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ApiSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_only_the_database_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db")
    settings = read_settings(ApiSettings)
    assert (settings.fleet_api_host, settings.fleet_api_port, settings.supabase_jwt_audience) == (
        "127.0.0.1",
        8700,
        "authenticated",
    )
    assert (settings.max_body_bytes, settings.database_pool_size) == (50 * 1024 * 1024, 8)
    assert settings.supabase_jwt_secret is None


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_API_PORT", "0")
    monkeypatch.setenv("SUPABASE_JWT_SECRET", "s" * 32)
    settings = read_settings(ApiSettings, database_url="postgresql://db")
    assert settings.fleet_api_port == 0
    assert settings.supabase_jwt_secret and settings.supabase_jwt_secret.get_secret_value() == "s" * 32


def test_a_secret_that_is_too_short_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_JWT_SECRET", "much-too-short")
    with pytest.raises(SettingsInvalid, match="SUPABASE_JWT_SECRET") as refused:
        read_settings(ApiSettings, database_url="postgresql://db")
    assert "much-too-short" not in str(refused.value)


def test_settings_do_not_show_their_secrets() -> None:
    settings = read_settings(ApiSettings, database_url="postgresql://u:pw@db", supabase_jwt_secret="s" * 32)
    assert "pw@db" not in repr(settings)
    assert "s" * 32 not in repr(settings)
