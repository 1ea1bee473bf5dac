"""Settings of the execution API."""

from typing import Annotated

from pydantic import Field, SecretStr

from execution_api.access.scopes import Role
from kernel.settings import Settings

_MIB = 1024 * 1024
_SHORTEST_HS256_KEY = 32  # RFC 7518 section 3.2: a key of at least the size of the hash


class ApiSettings(Settings):
    """From environment variables of the same names (upper case)."""

    fleet_api_host: str = Field("127.0.0.1", description="address to listen on")
    fleet_api_port: int = Field(8700, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    supabase_jwt_secret: Annotated[SecretStr, Field(min_length=_SHORTEST_HS256_KEY)] | None = Field(
        None, description="HS256 secret of Supabase Auth, at least 32 characters; none: no HS256 user tokens"
    )
    supabase_jwks_url: str | None = Field(
        None,
        pattern="^https?://",
        description="where the keys of ES256 and RS256 user tokens are; none: no such tokens",
    )
    supabase_jwt_issuer: str | None = Field(None, description="required `iss` of user tokens; none: any")
    supabase_jwt_audience: str = Field("authenticated", min_length=1, description="required `aud` of user tokens")
    max_body_bytes: int = Field(50 * _MIB, ge=1024, description="largest request body, in bytes")
    fleet_default_role: Role = Field(Role.WORKER, description="role of a user whose token names none")
    fleet_api_streams: int = Field(2000, ge=1, le=10_000, description="most streams that are open at one time")
    fleet_api_rate: float = Field(100.0, ge=0, description="requests per second of one credential; 0: any number")
    fleet_api_burst: int = Field(200, ge=1, description="requests of one credential at once")
    database_pool_size: int = Field(8, ge=1, le=100, description="most database connections")
