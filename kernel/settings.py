"""Settings that every program of the fleet has. Each program reads its own object once, at its start."""

from typing import TypeVar

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kernel.errors import SettingsInvalid

_S = TypeVar("_S", bound="Settings")


class Settings(BaseSettings):
    """From environment variables of the same names (upper case)."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    database_url: SecretStr = Field(description="postgresql://… of the database")

    @field_validator("database_url")
    @classmethod
    def _is_connection_string(cls, value: SecretStr) -> SecretStr:
        # Said here, because PostgreSQL's library quotes what it cannot read, password and all.
        try:
            conninfo_to_dict(value.get_secret_value())
        except ProgrammingError:
            raise ValueError("is no PostgreSQL connection string such as postgresql://USER:PASSWORD@HOST/DB") from None
        return value

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
