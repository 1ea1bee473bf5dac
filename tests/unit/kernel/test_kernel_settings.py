"""Settings come from the environment, and what is wrong is named without its value."""

import pytest
from pydantic import SecretStr

from kernel.errors import SettingsInvalid
from kernel.settings import Settings, read_settings

SECRET = "hunter2-is-the-secret"


class Sample(Settings):
    """Settings with a number and a secret number."""

    lease_seconds: int = 60
    secret_number: int = 0


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FLEET_MODEL", "LEASE_SECONDS", "SECRET_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://ann:{SECRET}@db/fleet")
    return monkeypatch


def test_a_setting_is_read_from_the_variable_of_its_name(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LEASE_SECONDS", "30")
    settings = read_settings(Sample)
    assert (settings.lease_seconds, settings.fleet_model) == (30, "gpt-5-mini")
    assert settings.postgres_url.endswith("@db/fleet")


def test_a_given_value_wins_over_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LEASE_SECONDS", "30")
    assert read_settings(Sample, lease_seconds=10).lease_seconds == 10


def test_an_empty_variable_is_as_good_as_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FLEET_MODEL", "")
    assert read_settings(Sample).fleet_model == "gpt-5-mini"


def test_a_missing_setting_is_named_with_its_remedy(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    with pytest.raises(SettingsInvalid, match=r"^DATABASE_URL: .*Set the environment variable of that name\.$"):
        read_settings(Sample)


def test_each_way_to_the_database_needs_its_own_settings(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    with pytest.raises(SettingsInvalid, match=r"DATABASE_URL: .*required with FLEET_VIA=postgres"):
        read_settings(Sample)
    with pytest.raises(SettingsInvalid, match=r"SUPABASE_URL: .*FLEET_VIA=supabase; SUPABASE_KEY: .*=supabase"):
        read_settings(Sample, fleet_via="supabase")
    settings = read_settings(Sample, fleet_via="supabase", supabase_url="https://p.supabase.co", supabase_key=SECRET)
    with pytest.raises(SettingsInvalid, match="DATABASE_URL: is required"):
        _ = settings.postgres_url
    with pytest.raises(SettingsInvalid, match="FLEET_VIA"):
        read_settings(Sample, fleet_via="carrier pigeon")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match=r"SUPABASE_URL: .*https://PROJECT"):
        read_settings(Sample, supabase_url="project.supabase.co")


def test_every_wrong_setting_is_named_and_no_value_is_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_NUMBER", SECRET)
    environment.setenv("LEASE_SECONDS", SECRET)
    with pytest.raises(SettingsInvalid) as refusal:
        read_settings(Sample)
    assert "SECRET_NUMBER" in str(refusal.value) and "LEASE_SECONDS" in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None and refusal.value.__suppress_context__


def test_settings_do_not_show_their_secrets() -> None:
    settings = read_settings(Sample, openai_api_key=SecretStr(SECRET))
    assert SECRET not in repr(settings) and SECRET not in str(settings)


def test_a_mistyped_database_url_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres:/fleet:hunter2@db/fleet")
    with pytest.raises(SettingsInvalid, match=r"DATABASE_URL: .*is no PostgreSQL connection string") as refused:
        read_settings(Settings)
    assert "hunter2" not in str(refused.value)
