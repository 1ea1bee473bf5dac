"""What a model call used: whatever an endpoint says of it, made into numbers."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agent_pod.calls.prices import Prices

_MOST_TOKENS = 2**31


@dataclass(frozen=True)
class Usage:
    """The model that answered, tokens, and USD (None: its price is not known)."""

    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None


def usage_of(request: dict[str, Any], response: Any, ok: bool, prices: Prices) -> Usage:
    """What the call used by its answer; a call that failed without tokens cost nothing."""
    whole = response if isinstance(response, dict) else {}
    told = whole.get("usage") if isinstance(whole.get("usage"), dict) else {}
    asked = _count(told, "prompt_tokens", "input_tokens")
    answered = _count(told, "completion_tokens", "output_tokens")
    model = str(whole.get("model") or request.get("model"))[:200]
    return Usage(model, asked, answered, prices.cost(model, asked, answered) if ok or asked or answered else Decimal(0))


def _count(usage: Any, *names: str) -> int:
    """A token count as some endpoint gave it: whatever is no number counts as 0."""
    found = next((usage[name] for name in names if usage.get(name) is not None), 0)
    return max(int(found), 0) if isinstance(found, int | float) and abs(found) < _MOST_TOKENS else 0
