"""Random requests of one tenant for what belongs to another, made from the OpenAPI document.

The ids of the other tenant are all over the requests; its secret word is in none of them. An answer that has the word,
or an id that was not asked with, is a leak.
"""

import random
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

Json = dict[str, Any]
SECRET = "zq7secret"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Probe:
    """One request. `body` None: no body."""

    method: str
    address: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any

    @property
    def text(self) -> str:
        """Everything that it says."""
        return f"{self.address} {self.query} {self.headers} {self.body}"


@dataclass(frozen=True)
class Target:
    """What the other tenant has: ids of all kinds, its name, and names of its things."""

    tenant: str
    ids: list[str]
    names: list[str]


class Prober:
    """Makes probes of a `document` (OpenAPI) at a `target`; the same `seed` makes the same probes."""

    def __init__(self, document: Json, target: Target, seed: int):
        self._random = random.Random(seed)
        self._target = target
        self._operations = [
            (method.upper(), path, operation)
            for path, operations in sorted(document["paths"].items())
            for method, operation in sorted(operations.items())
            if not _is_stream(operation)
        ]

    def next(self) -> Probe:
        """A random operation with random arguments."""
        method, path, operation = self._random.choice(self._operations)
        parameters = operation.get("parameters", [])
        address = re.sub(r"\{(\w+)\}", lambda name: self._argument(name[1]), path)
        query = {
            p["name"]: self._argument(p["name"])
            for p in parameters
            if p["in"] == "query" and self._random.random() < 0.5
        }
        query.pop("wait", None)  # it would wait
        headers = {"X-Tenant-Id": self._target.tenant} if self._random.random() < 0.3 else {}
        if self._random.random() < 0.3:
            headers["Idempotency-Key"] = self._random.choice(self._target.names)
        return Probe(method, address, query, headers, self._body(operation))

    def leaks(self, probe: Probe, answer: str) -> list[str]:
        """What of the other tenant is in `answer` and was not in the probe."""
        found = [SECRET] if SECRET in answer else []
        mine = set(_UUID.findall(probe.text.lower()))
        return found + sorted((set(_UUID.findall(answer.lower())) & set(self._target.ids)) - mine)

    def _argument(self, name: str) -> str:
        if name in {"limit", "version", "after", "offset"}:
            return str(self._random.choice([0, 1, 2, 50, 500, -1]))
        if name == "status":
            return self._random.choice(["ALL", "TODO", "RUNNING", "FAILED", "DONE"])
        return self._word()

    def _word(self) -> str:
        pools = [self._target.ids, self._target.ids, self._target.names, [self._target.tenant]]
        return self._random.choice([*self._random.choice(pools), str(UUID(int=self._random.getrandbits(128)))])

    def _body(self, operation: Json) -> Any:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            return None
        examples = [example["value"] for example in content.get("examples", {}).values()]
        return self._scrambled(self._random.choice(examples or [content.get("example", {})]))

    def _scrambled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._scrambled(inner) for key, inner in value.items() if self._random.random() < 0.95}
        if isinstance(value, list):
            return [self._scrambled(inner) for inner in value]
        return self._word() if isinstance(value, str) and self._random.random() < 0.6 else value


def _is_stream(operation: Json) -> bool:
    # Its answer has no end.
    return any("text/event-stream" in answer.get("content", {}) for answer in operation["responses"].values())
