"""Counts afterwards what came of a run. It reads the ledgers of the outside world and its own reading of the process
definitions; of the system it believes nothing but what the API shows of each instance.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chaos.process_reading import Expected

_ANSWER_ON_ITS_WAY_SECONDS = 2.0


@dataclass(frozen=True)
class Payment:
    """A model call that was answered in full: by whom it was asked, when it arrived and when it was paid."""

    caller: str
    prompt: str
    arrived: float
    paid: float


@dataclass
class Evidence:
    """What the outside world saw. Times are seconds of the machine's clock.

    `expected` {instance key: Expected} of what the API accepted; `shown` {key: the instance as the API shows it};
    `handed` [(prompt, when)] by the witness in user space; `effects` {key: how often it was done}; `takings` [{at,
    until?, kind, pod?}]: what can take the call from a pod that is waiting for its answer, or from each of the `pods`;
    `until`: a pod may ask until then before it learns of it. `outages` [(begin, end)] of the database, for which an
    answer waits in its pod.
    """

    expected: dict[str, Expected]
    shown: dict[str, dict[str, Any]]
    refused: dict[str, str]
    payments: list[Payment]
    handed: list[tuple[str, float]]
    effects: Counter[str]
    takings: list[dict[str, Any]]
    pods: int
    outages: list[tuple[float, float]] = field(default_factory=list)
    instances_of: Counter[str] = field(default_factory=Counter)
    ends_of: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Verdict:
    """A number of the table: `value` must not be above `most`. `about` names what was counted, for people."""

    name: str
    value: int
    most: int | None
    about: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it is as it must be."""
        return self.most is None or self.value <= self.most


def judge(evidence: Evidence) -> list[Verdict]:
    """The result table."""
    expected, shown = evidence.expected, evidence.shown
    completed = [key for key in expected if shown[key]["status"] == "COMPLETED"]
    wanted_effects = {effect: key for key, story in expected.items() for effect in story.effects}
    missing = [e for e, key in wanted_effects.items() if key in completed and not evidence.effects[e]]
    doubled = [e for e, times in evidence.effects.items() if times > 1]
    invented = [e for e in evidence.effects if e not in wanted_effects]
    lost_payments, kept = _payments(evidence)
    allowed = Counter[str]()
    for story in expected.values():
        allowed += story.prompts
    twice = [p for p, times in kept.items() if times > max(allowed[p], 1)]
    unasked = [p for p, times in allowed.items() if kept[p] + lost_payments[p] < times and _key_of(p) in completed]
    wrong = [key for key in completed if not _is_right(expected[key], shown[key])]
    false = sorted({*wrong, *(wanted_effects[e] for e in missing), *(_key_of(p) for p in unasked)})
    most_taken = sum(1 if "pod" in taking else evidence.pods for taking in evidence.takings)
    paid_again = {p: times for p, times in lost_payments.items() if times + kept[p] > allowed[p]}
    return [
        Verdict("instances accepted", len(expected), None),
        Verdict("instances refused", len(evidence.refused), 0, tuple(f"{k}: {r}" for k, r in evidence.refused.items())),
        _none("instances lost", [f"{k}: {shown[k]['status']} {shown[k].get('error') or ''}" for k in expected
                                 if k not in completed]),
        _none("instances started twice", [k for k, times in evidence.instances_of.items() if times > 1]),
        _none("instances finished twice", [k for k, times in evidence.ends_of.items() if times > 1]),
        _none("instances falsely COMPLETED", false),
        Verdict("side effects done", sum(1 for e in wanted_effects if evidence.effects[e]), None),
        _none("side effects doubled", doubled),
        _none("side effects missing", missing),
        _none("side effects nobody asked for", invented),
        Verdict("model calls paid", len(evidence.payments), None),
        Verdict("paid again: in flight when they were taken", sum(paid_again.values()), most_taken),
        _none("paid twice without such a reason", twice),
        _none("model calls nobody asked for", sorted({p.prompt for p in evidence.payments if not allowed[p.prompt]})),
    ]  # fmt: skip


def _payments(evidence: Evidence) -> tuple[Counter[str], Counter[str]]:
    """How many payments of each prompt were lost to a taking (one each at most), and how many were not."""
    handed: dict[str, list[float]] = {}
    for prompt, at in evidence.handed:
        handed.setdefault(prompt, []).append(at)
    lost, kept, used = Counter[str](), Counter[str](), set[tuple[int, str]]()
    for payment in sorted(evidence.payments, key=lambda p: p.arrived):
        taken = next(
            (
                number
                for number, taking in enumerate(evidence.takings)
                if taking.get("pod", payment.caller) == payment.caller
                and payment.arrived <= taking.get("until", taking["at"])
                and taking["at"] <= _on_its_way_until(payment, evidence.outages)
                and (number, payment.caller) not in used
                and not any(payment.arrived <= at <= taking["at"] for at in handed.get(payment.prompt, []))
            ),
            None,
        )
        if taken is None:
            kept[payment.prompt] += 1
        else:
            used.add((taken, payment.caller))
            lost[payment.prompt] += 1
    return lost, kept


def _on_its_way_until(payment: Payment, outages: list[tuple[float, float]]) -> float:
    ends = [end for begin, end in outages if begin - 1 <= payment.paid <= end]
    return max([payment.paid, *ends]) + _ANSWER_ON_ITS_WAY_SECONDS


def _is_right(story: Expected, shown: dict[str, Any]) -> bool:
    variables = {name: value for name, value in shown["variables"].items() if name != "initiator"}
    done = Counter(t["activity_id"] for t in shown["tasks"] if t["status"] == "DONE")
    return variables == story.variables and done == story.tasks


def _key_of(prompt: str) -> str:
    return prompt.partition("/")[0]


def _none(name: str, found: list[str]) -> Verdict:
    return Verdict(name, len(found), 0, tuple(found))
