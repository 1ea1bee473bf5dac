"""Whether a user token (RFC 7519) is genuine and meant for us: signature, times, audience, issuer, role.

HS256 is checked with the project's secret alone, ES256 and RS256 with the project's published keys alone: which of them
a token may use is never the token's choice. A refusal says what is wrong with the token; that helps its owner, and
tells a forger nothing.
"""

from typing import Any, cast

import jwt

from execution_api.access.signing_keys import KeysUnavailable, SigningKeys
from execution_api.requests.problems import ApiProblem
from execution_api.settings import ApiSettings

_ROLE = "authenticated"
_REMEDY = "Sign in again and send the new token as Authorization: Bearer …"
_WRONG: dict[type[Exception], tuple[str, str]] = {
    jwt.ExpiredSignatureError: ("token_expired", "The token has expired."),
    jwt.ImmatureSignatureError: ("token_not_yet_valid", "The token is not valid yet."),
    jwt.InvalidAudienceError: ("token_audience", "The token is for another audience."),
    jwt.InvalidIssuerError: ("token_issuer", "The token is from another issuer."),
    jwt.InvalidSignatureError: ("token_signature", "The signature of the token is wrong."),
}


class TokenCheck:
    """Checks tokens by `settings`: the secret, the address of the keys, audience and issuer."""

    def __init__(self, settings: ApiSettings):
        self._secret = settings.supabase_jwt_secret
        self._keys = SigningKeys(settings.supabase_jwks_url) if settings.supabase_jwks_url else None
        self._audience = settings.supabase_jwt_audience
        self._issuer = settings.supabase_jwt_issuer

    async def close(self) -> None:
        """Close what is open."""
        if self._keys is not None:
            await self._keys.close()

    async def verify(self, token: str) -> dict[str, Any]:
        """The claims of `token`.

        Raises ApiProblem 401 that says what is wrong, 503 where the signing keys cannot be had.
        """
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):  # the latter two: a header that is hardly JSON
            raise refusal("token_malformed", "The credential is neither an API key nor a user token.") from None
        algorithm = header.get("alg")
        if "crit" in header or not isinstance(algorithm, str):
            raise refusal("token_malformed", "The header of the token cannot be understood.")
        claims = self._decode(token, algorithm, await self._key(algorithm, header))
        role = claims.get("role", _ROLE)
        if role != _ROLE:
            raise refusal("token_role", f"The token is not one of a user: its role is not {_ROLE}.")
        return claims

    async def _key(self, algorithm: str, header: dict[str, Any]) -> str | jwt.PyJWK:
        if algorithm == "HS256" and self._secret is not None:
            return self._secret.get_secret_value()
        if algorithm not in {"ES256", "RS256"} or self._keys is None:
            raise refusal("token_algorithm", "Tokens that are signed like this one are not accepted.")
        key_id = header.get("kid")
        try:
            key = await self._keys.find(key_id, algorithm) if isinstance(key_id, str) else None
        except KeysUnavailable:
            raise ApiProblem(
                503, "signing_keys_unavailable", "The keys that user tokens are checked with cannot be had just now.",
                remedy="Try again in a while.", headers={"Retry-After": "10"},
            ) from None  # fmt: skip
        if key is None:
            raise refusal("token_key", "The token is signed with a key that the project does not publish.")
        return key

    def _decode(self, token: str, algorithm: str, key: str | jwt.PyJWK) -> dict[str, Any]:
        needed = ["exp", "aud", "iss"] if self._issuer else ["exp", "aud"]
        options = {"require": needed, "verify_iat": False}  # a clock that is slow by a second makes no token wrong
        try:
            return jwt.decode(
                token, key, [algorithm], audience=self._audience, issuer=self._issuer, options=cast("Any", options)
            )
        except jwt.MissingRequiredClaimError as error:
            raise refusal("token_claims", f"The token has no claim {error.claim}.") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise refusal(*_WRONG.get(type(error), ("token_malformed", "The token cannot be read."))) from None


def refusal(word: str, detail: str) -> ApiProblem:
    """401 for a token, also in the words of RFC 6750 section 3.1."""
    challenge = f'Bearer realm="process-fleet", error="invalid_token", error_description="{detail}"'
    return ApiProblem(401, word, detail, remedy=_REMEDY, headers={"WWW-Authenticate": challenge})
