"""Keeps the credentials of a server out of what it says: a server may send back what it was sent."""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from kernel.mcp_server_models import ServerAccess

REDACTED = "[redacted]"
SHORTEST_SECRET = 8  # anything shorter is found by chance in text that has nothing to do with it


class Redaction:
    """Replaces each value of a header, each part of it and each value of the url's query, also as URLs quote them."""

    def __init__(self, server: ServerAccess):
        values = [value.get_secret_value() for value in server.headers.values()]
        query = parse_qsl(urlsplit(server.url.get_secret_value()).query)
        words = {word for value in values for word in _parts(value)} | {value for _, value in query}
        secrets = {word for word in words if len(word) >= SHORTEST_SECRET}
        self._secrets = sorted(secrets | {quote(word, safe="") for word in secrets}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """`text` without the credentials."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text

    def value(self, value: Any) -> Any:
        """`value` (JSON as Python reads it) without the credentials, in keys as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self.value(part) for name, part in value.items()}
        return [self.value(part) for part in value] if isinstance(value, list) else value


def _parts(value: str) -> list[str]:
    """A header's value, what follows its scheme ("Bearer ..."), and user and password of "Basic ..."."""
    scheme, _, rest = value.partition(" ")
    parts = [value, *([rest.strip()] if rest else [])]
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return parts
        parts += [pair, pair.partition(":")[2]]
    return parts
