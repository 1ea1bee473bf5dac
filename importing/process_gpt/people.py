"""Who works on an activity: a role becomes a person's e-mail address or a group of the role's name."""

import re
from dataclasses import dataclass

from importing.process_gpt.findings import Findings, Outcome
from importing.process_gpt.model import GptDefinition, Node
from importing.process_gpt.vocabulary import text_in_cel

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class Assignment:
    """Who may take a task: one `assignee` or one of `groups`; "" for nobody in particular."""

    assignee: str = ""
    groups: str = ""


def assignment_of(node: Node, definition: GptDefinition, findings: Findings) -> Assignment:
    """The assignment that stands for the role of an activity.

    A role that names one e-mail address becomes that person, any other the group with the role's name: user ids of the
    other system mean nothing here.
    """
    name = node.text("role")
    if not name:
        return Assignment()
    role = definition.roles.get(name)
    people = [holder for holder in (role.holders if role else []) if holder not in agents_of(node)]
    if len(people) == 1 and _ADDRESS.fullmatch(people[0]):
        return Assignment(assignee=literal(people[0]))
    group = " ".join(name.replace(",", " ").split())
    told = ", ".join(people) + (f" ({role.rule})" if role and role.rule else "")
    findings.add(Outcome.TO_SET_UP, definition.id, f'A role became the group "{group}": give it its people.', told)
    return Assignment(groups=literal(group))


def agents_of(node: Node) -> list[str]:
    """The agents that an activity names, by their ids."""
    return [agent.strip() for agent in node.text("agent").split(",") if agent.strip()]


def literal(text: str) -> str:
    """A setting that is `text`, also where text that begins with `=` would be an expression."""
    return f"={text_in_cel(text)}" if text.lstrip().startswith("=") else text
