"""Follows the references of a JSON schema inside the schema itself (`#`, `#/$defs/Name`)."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote


def target(root: Mapping[str, Any], reference: str) -> Any:
    """Return the part of `root` a reference (a JSON pointer in a URI fragment, RFC 6901) leads to.

    Raises `LookupError` when it leads nowhere, or out of the schema.
    """
    if not reference.startswith("#"):
        raise LookupError(reference)
    part: Any = root
    for step in unquote(reference[1:]).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(part, list) and key.isdigit() and int(key) < len(part):
            part = part[int(key)]
        elif isinstance(part, Mapping) and key in part:
            part = part[key]
        else:
            raise LookupError(reference)
    if not isinstance(part, Mapping | bool) or not (reference == "#" or reference.startswith("#/")):
        raise LookupError(reference)
    return part


def references(schema: Any) -> Iterator[str]:
    """Yield every reference in a schema."""
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for part in schema.values():
            yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def broken_reference(root: Mapping[str, Any]) -> str | None:
    """Return the first reference of `root` that leads nowhere, or None when all lead somewhere."""
    for reference in references(root):
        try:
            target(root, reference)
        except LookupError:
            return reference
    return None
