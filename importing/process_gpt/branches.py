"""The flows that leave a node: which condition each has here, which is the default, in which order they are tried."""

from dataclasses import dataclass

from importing.process_gpt.conditions import NotTranslatable, is_comparison, is_foreign, translate
from importing.process_gpt.findings import Findings, Outcome
from importing.process_gpt.model import Flow, Node
from importing.process_gpt.vocabulary import Vocabulary, text_in_cel

_OTHERWISE = frozenset({"else", "otherwise", "default", "그 외", "그외", "기본", "그 밖에"})
_LONGEST_QUOTE = 500


@dataclass(frozen=True)
class Branch:
    """A flow as it is written: `condition` is CEL with its leading `=`, "" for none; `note` is its documentation."""

    flow: Flow
    condition: str = ""
    note: str = ""


@dataclass(frozen=True)
class Fork:
    """The branches that leave a node in the order in which they are tried; `default` is the id of the default flow."""

    branches: list[Branch]
    default: str = ""


def is_conditional(flow: Flow) -> bool:
    """Whether a flow has a condition of its own; a name alone is one only behind a gateway that chooses."""
    return bool(flow.function or flow.words)


def choose(node: Node, flows: list[Flow], words: Vocabulary, findings: Findings) -> Fork:
    """The fork of an exclusive or inclusive gateway.

    A condition that cannot be translated becomes an expression that fails and quotes it, so that an instance that asks
    it stops with an incident; no branch is ever taken or left out because of it.
    """
    if len(flows) == 1 and not is_conditional(flows[0]):
        return Fork([Branch(flows[0])])
    default = _default(node, flows, findings)
    ordered = sorted(flows, key=lambda flow: flow.priority) if node.kind == "exclusiveGateway" else flows
    branches = [Branch(flow) if flow.id == default else _branch(flow, words, findings) for flow in ordered]
    return Fork(branches, default)


def take_all(node: Node, flows: list[Flow], findings: Findings) -> Fork:
    """The fork of a parallel gateway: every flow, whatever it says."""
    for flow in filter(is_conditional, flows):
        said = "Leaves a parallel gateway, which takes every flow: the condition is left out."
        findings.add(Outcome.CHANGED, flow.id, said, flow.function or flow.words)
    return Fork([Branch(flow, note=flow.function or flow.words) for flow in flows])


def _default(node: Node, flows: list[Flow], findings: Findings) -> str:
    named = str(node.raw.get("default") or node.properties.get("default") or "")
    marked = [flow for flow in flows if flow.is_default or flow.id == named]
    by_words = [flow for flow in flows if not flow.function and _text(flow).lower() in _OTHERWISE]
    silent = [flow for flow in flows if not flow.function and not _text(flow)]
    for candidates in (marked, by_words, silent):
        if len(candidates) == 1:
            chosen = candidates[0]
            if is_conditional(chosen) and chosen not in by_words:
                said = "Is the default flow: its condition is left out."
                findings.add(Outcome.CHANGED, chosen.id, said, chosen.function or chosen.words)
            elif candidates is silent:
                findings.add(Outcome.CHANGED, chosen.id, "Has no condition: it became the default flow.")
            return chosen.id
    return ""


def _branch(flow: Flow, words: Vocabulary, findings: Findings) -> Branch:
    text = flow.function or _text(flow)
    try:
        if not flow.function and not is_comparison(text):
            raise NotTranslatable("it is in words" if text else "it has no condition")
        condition = translate(text, words)
    except NotTranslatable as reason:
        return _stopping(flow, text, str(reason), findings)
    if is_foreign(text):
        said = (
            "The condition has operators that Python does not know: there it was never true, here it says what it says."
        )
        findings.add(Outcome.CHANGED, flow.id, said, text)
    spoken = f"\n{flow.words}" if flow.words and flow.words != text else ""
    return Branch(flow, f"={condition}", f"Process GPT: {text}{spoken}")


def _stopping(flow: Flow, text: str, reason: str, findings: Findings) -> Branch:
    quoted = f"the condition of {flow.id} was not carried over: {text or 'there is none'}"[:_LONGEST_QUOTE]
    findings.add(Outcome.STOPS, flow.id, f"The condition cannot be translated: {reason}.", text)
    note = f"Write a condition in CEL. Process GPT: {text or 'no condition'} ({reason})."
    return Branch(flow, f"=vars[{text_in_cel(quoted)}]", note)


def _text(flow: Flow) -> str:
    """What the other system asks a language model about: the words of the condition, else the name of the flow."""
    return flow.words or flow.name
