"""Counts afterwards what came of a run. It reads the ledgers of the outside world and its own reading of the process
definitions; of the system it believes nothing but what the API shows of each instance.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chaos.payments import Payment, Taking, sort_payments
from chaos.process_reading import Expected


@dataclass
class Evidence:
    """What the outside world saw. Times are seconds of the machine's clock.

    `asked`: how many instances were asked for; `expected` {instance key: Expected} of what the API accepted; `shown`
    {key: the instance as the API shows it}; `handed` [(prompt, when)] by the witness in user space; `effects` {key: how
    often it was done}; `takings`: what can take a call from a pod that waits for its answer; `outages` [(begin, end)]
    of the database, for which an answer waits in its pod; `instances_of` {key: how many instances there are of it};
    `ends_of` {key: how many ends the outside was told of}.
    """

    asked: int
    expected: dict[str, Expected]
    shown: dict[str, dict[str, Any]]
    refused: dict[str, str]
    payments: list[Payment]
    handed: list[tuple[str, float]]
    effects: Counter[str]
    takings: list[Taking]
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
    wrong = [key for key in completed if not _is_right(expected[key], shown[key])]
    without_effect = [wanted_effects[e] for e in missing]
    paid = Counter(payment.prompt for payment in evidence.payments)
    unpaid = [key for key in completed if any(paid[p] < times for p, times in expected[key].prompts.items())]
    unanswered = evidence.asked - len(expected) - len(evidence.refused)
    return [
        Verdict("instances accepted", len(expected), None),
        Verdict("instances refused", len(evidence.refused), 0, tuple(f"{k}: {r}" for k, r in evidence.refused.items())),
        Verdict("instances without an answer", unanswered, 0),
        _none("instances lost", [f"{k}: {shown[k]['status']} {shown[k].get('error') or ''}" for k in expected
                                 if k not in completed]),
        _none("instances started twice", [k for k, times in evidence.instances_of.items() if times > 1]),
        _none("instances nobody asked for", [str(k) for k in evidence.instances_of if k not in expected]),
        _none("instances finished twice", [k for k, times in evidence.ends_of.items() if times > 1]),
        _none("instances whose end nobody was told", [k for k in completed if not evidence.ends_of[k]]),
        _none("instances told to have ended that had not", [k for k in evidence.ends_of if k not in completed]),
        _none("instances falsely COMPLETED", sorted({*wrong, *without_effect, *unpaid})),
        Verdict("side effects done", sum(1 for e in wanted_effects if evidence.effects[e]), None),
        _none("side effects doubled", [e for e, times in evidence.effects.items() if times > 1]),
        _none("side effects missing", missing),
        _none("side effects nobody asked for", [e for e in evidence.effects if e not in wanted_effects]),
        *_judge_payments(evidence),
    ]  # fmt: skip


def _judge_payments(evidence: Evidence) -> list[Verdict]:
    allowed = Counter[str]()
    for story in evidence.expected.values():
        allowed += story.prompts
    sorted_out = sort_payments(evidence.payments, allowed, evidence.handed, evidence.takings, evidence.outages)
    paid = Counter(payment.prompt for payment in evidence.payments)
    again = sum(max(0, times - allowed[prompt]) for prompt, times in paid.items() if allowed[prompt])
    most = sum(1 if taking.pod else evidence.pods for taking in evidence.takings)
    return [
        Verdict("model calls paid", len(evidence.payments), None),
        Verdict("model calls paid again", again, most),
        *(Verdict(f"of them in flight at {kind}", times, None) for kind, times in sorted(sorted_out.taken.items())),
        _none("paid twice without such a reason", sorted_out.unexplained),
        _none("model calls nobody asked for", sorted(p for p in paid if not allowed[p])),
    ]


def _is_right(story: Expected, shown: dict[str, Any]) -> bool:
    variables = {name: value for name, value in shown["variables"].items() if name != "initiator"}
    tasks = Counter((task["activity_id"], task["status"]) for task in shown["tasks"])
    return variables == story.variables and tasks == Counter({(a, "DONE"): n for a, n in story.tasks.items()})


def _none(name: str, found: list[str]) -> Verdict:
    return Verdict(name, len(found), 0, tuple(found))
