"""The functions of init.sql that know API keys, one method each."""

from datetime import datetime
from uuid import UUID

from kernel.base import KernelBase
from kernel.models import ApiKey, ApiKeySummary


class KeyFunctions(KernelBase):
    """Finding the owner of a key, and a tenant's keys. `key_hash`: see kernel.migrate.hash_api_key."""

    async def authenticate_api_key(self, key_hash: str) -> ApiKey | None:
        """Whose key it is; None for one that is unknown, revoked, expired or replaced."""
        rows = await self._call("authenticate_api_key", key_hash=key_hash)
        return ApiKey.model_validate(rows[0]) if rows else None

    async def note_api_key_use(self, key: ApiKey) -> None:
        """Write that `key` is in use; the database does so at most once a minute."""
        await self._call("note_api_key_use", tenant_id=key.tenant_id, key_id=key.key_id)

    async def find_api_keys(self, before: UUID | None = None, limit: int = 500) -> list[ApiKeySummary]:
        """The tenant's keys, newest first, at most 500; revoked ones are among them."""
        rows = await self._call("find_api_keys", before=before, limit=limit)
        return [ApiKeySummary.model_validate(row) for row in rows]

    async def get_api_key(self, key_id: UUID) -> ApiKeySummary | None:
        """One key."""
        rows = await self._call("find_api_keys", key_id=key_id)
        return ApiKeySummary.model_validate(rows[0]) if rows else None

    async def make_api_key(
        self, name: str, key_hash: str, role: str, scopes: list[str] | None, expires_at: datetime | None
    ) -> UUID:
        """Store a new key. Raises InvalidInput where `expires_at` is over."""
        rows = await self._call(
            "make_api_key", name=name, key_hash=key_hash, role=role, scopes=scopes, expires_at=expires_at
        )
        return UUID(str(rows[0]["key_id"]))

    async def rotate_api_key(self, key_id: UUID, key_hash: str, grace_seconds: int) -> None:
        """Replace a key by another; the old one is valid for `grace_seconds`. Raises NotFound, Conflict (revoked)."""
        await self._call("rotate_api_key", key_id=key_id, key_hash=key_hash, grace_seconds=grace_seconds)

    async def revoke_api_key(self, key_id: UUID) -> None:
        """End a key, and the one before it, at once. Raises NotFound, Conflict (revoked already)."""
        await self._call("revoke_api_key", key_id=key_id)
