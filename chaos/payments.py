"""Which payments of a model call had to be, and which were made again and why.

A prompt may be paid as often as its process asks it. One more payment has a reason only where an earlier one was taken
from its pod before its answer was handed over. Each taking is the reason of one payment at most (of one in each pod,
where it met them all).
"""

from collections import Counter
from dataclasses import dataclass, field

_ANSWER_ON_ITS_WAY_SECONDS = 2.0
_WOKEN_SECONDS = 0.5


@dataclass(frozen=True)
class Payment:
    """A model call that was answered in full: by whom it was asked, when it arrived and when it was paid."""

    caller: str
    prompt: str
    arrived: float
    paid: float


@dataclass(frozen=True)
class Taking:
    """What can take a call from the pod that waits for its answer; `pod` None: from each of them.

    `until`: calls that arrive until then were under way before their pod was dead, or knew of it. `woke`: when the pod
    was woken from a freeze; what it was about to write when it froze goes out then.
    """

    kind: str
    at: float
    until: float
    pod: str | None = None
    woke: float | None = None


@dataclass
class Sorted:
    """`taken` {kind of taking: payments that were made again because of it}; `unexplained`: the prompts of all others
    that were made again."""

    taken: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)


def sort_payments(
    payments: list[Payment],
    allowed: Counter[str],
    handed: list[tuple[str, float]],
    takings: list[Taking],
    outages: list[tuple[float, float]],
) -> Sorted:
    """Find the reason of each payment above what is `allowed`. `handed` and `outages` as in referee.Evidence.

    A prompt's payments are read as they arrived. One that was taken does not count against what is allowed. When all
    that is allowed has come and was not taken, one more should not have been asked at all, whatever befell it then; it
    has a reason only where its pod was dead, asleep or not yet told by that time.
    """
    paid = Counter(payment.prompt for payment in payments)
    again = Counter({prompt: times - allowed[prompt] for prompt, times in paid.items() if allowed[prompt]})
    kept, used, result = Counter[str](), set[tuple[Taking, str]](), Sorted()
    for payment in sorted((p for p in payments if again[p.prompt] > 0), key=lambda p: p.arrived):
        prompt = payment.prompt
        if again[prompt] == 0:
            continue  # the rest is what had to be paid
        could_know = kept[prompt] >= allowed[prompt]
        taking = next(
            (
                taking
                for taking in takings
                if taking.pod in (None, payment.caller)
                and (taking, payment.caller) not in used
                and (_came_late(payment, taking) or (not could_know and _was_taken(payment, taking, handed, outages)))
            ),
            None,
        )
        if taking is not None:
            used.add((taking, payment.caller))
            result.taken[taking.kind] += 1
        else:
            kept[prompt] += 1
        if could_know and taking is None:
            result.unexplained.append(prompt)
        again[prompt] -= taking is not None or could_know
    return result


def _came_late(payment: Payment, taking: Taking) -> bool:
    """Whether it was asked before its pod could know that it was taken."""
    woken = taking.woke is not None and taking.woke <= payment.arrived <= taking.woke + _WOKEN_SECONDS
    return woken or taking.at < payment.arrived <= taking.until


def _was_taken(
    payment: Payment, taking: Taking, handed: list[tuple[str, float]], outages: list[tuple[float, float]]
) -> bool:
    """Whether it was in flight: asked before, and not handed over."""
    ends = [end for begin, end in outages if begin - 1 <= payment.paid <= end]
    on_its_way_until = max([payment.paid, *ends]) + _ANSWER_ON_ITS_WAY_SECONDS
    return payment.arrived <= taking.at <= on_its_way_until and not any(
        prompt == payment.prompt and payment.arrived <= at <= taking.at for prompt, at in handed
    )
