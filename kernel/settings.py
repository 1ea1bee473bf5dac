"""Settings that every program of the fleet has. Each program reads its own object once, at its start."""

import re
from enum import StrEnum
from typing import TypeVar

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kernel.errors import SettingsInvalid

_S = TypeVar("_S", bound="Settings")


class Via(StrEnum):
    """How a program reaches the database: a connection to PostgreSQL, or the Supabase client."""

    POSTGRES = "postgres"
    SUPABASE = "supabase"


class Settings(BaseSettings):
    """From environment variables of the same names (upper case)."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    fleet_via: Via = Field(Via.POSTGRES, description="how the API and pods reach the database: postgres or supabase")
    database_url: SecretStr | None = Field(None, validate_default=True, description="postgresql://… of the database")
    supabase_url: str | None = Field(None, validate_default=True, description="https://… of the Supabase project")
    supabase_key: SecretStr | None = Field(None, validate_default=True, description="the project's service key")

    @field_validator("database_url")
    @classmethod
    def _is_connection_string(cls, value: SecretStr | None) -> SecretStr | None:
        # Said here, because PostgreSQL's library quotes what it cannot read, password and all.
        try:
            conninfo_to_dict(value.get_secret_value() if value else "")
        except ProgrammingError:
            raise ValueError("is no PostgreSQL connection string such as postgresql://USER:PASSWORD@HOST/DB") from None
        return value

    @field_validator("supabase_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^/]+", value):
            raise ValueError("is no address such as https://PROJECT.supabase.co")
        return value

    @field_validator("database_url", "supabase_url", "supabase_key")
    @classmethod
    def _is_given_where_needed(cls, value: object, info: ValidationInfo) -> object:
        via = info.data.get("fleet_via")
        if value is None and via == (Via.POSTGRES if info.field_name == "database_url" else Via.SUPABASE):
            raise ValueError(f"is required with FLEET_VIA={via}")
        return value

    @property
    def postgres_url(self) -> str:
        """DATABASE_URL. Raises SettingsInvalid where it is not set."""
        if self.database_url is None:
            raise SettingsInvalid("DATABASE_URL: is required for this, FLEET_VIA or not. Name the owner's connection.")
        return self.database_url.get_secret_value()

    openai_api_key: SecretStr = Field(SecretStr("offline"), description="key of the model endpoint")
    openai_base_url: str = Field("https://api.openai.com/v1", description="any OpenAI-compatible endpoint")
    fleet_model: str = Field("gpt-5-mini", description="model of agents that name none")
    fleet_embedding_model: str = Field("text-embedding-3-small", description="1536-dimensional embedding model")


def read_settings(kind: type[_S], **given: object) -> _S:
    """Read settings of `kind` from the environment; `given` values win.

    Raises SettingsInvalid that names each wrong setting, its fault and the variable to set; values are not shown, as
    they may be secrets.
    """
    try:
        return kind(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsInvalid(f"{faults}. Set the environment variable of that name.") from None
