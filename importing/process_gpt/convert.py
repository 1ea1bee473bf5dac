"""Converts a definition of Process GPT into a BPMN file that this engine runs, with all that is different in it."""

import json
from dataclasses import dataclass
from typing import Any

from importing.process_gpt.findings import MEANING, Findings, Outcome
from importing.process_gpt.identifiers import Identifiers, with_valid_ids
from importing.process_gpt.layout import draw
from importing.process_gpt.model import GptDefinition, ImportRefused
from importing.process_gpt.plan import Element, Plan, plan_scope
from importing.process_gpt.read_json import read_definition
from importing.process_gpt.tasks import ChooseOrchestrator, Workshop
from importing.process_gpt.vocabulary import Vocabulary
from importing.process_gpt.write_bpmn import Head, write
from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid

_NO_PLACE = ("instanceNamePattern", "dmn_rules", "dmnRules", "skills")
_GIVES_DATA = ("dataSource", "table", "sql")


@dataclass(frozen=True)
class Imported:
    """What an import gives: the id and name of the definition, the BPMN file, and what is different in it."""

    id: str
    name: str
    bpmn: bytes
    findings: Findings

    def as_json(self) -> dict[str, Any]:
        """The report: {id, name, counts, meaning, findings: [{outcome, element, what, original}]}."""
        counts = {str(outcome): len(self.findings.of(outcome)) for outcome in Outcome}
        meaning = {str(outcome): text for outcome, text in MEANING.items()}
        return {
            "id": self.id, "name": self.name, "counts": counts, "meaning": meaning, "findings": self.findings.as_json()
        }  # fmt: skip


def convert(data: bytes, orchestrator: ChooseOrchestrator) -> Imported:
    """Convert a JSON file.

    Args:
        data: the file; see `read_definition`.
        orchestrator: gives the orchestrator here for the name of an orchestration there.

    Raises:
        ImportRefused: it is no definition, holds a gateway that nothing can stand for, or cannot be run as it is drawn.
    """
    findings, ids = Findings(), Identifiers()
    definition = with_valid_ids(read_definition(data), ids, findings)
    words = Vocabulary(definition)
    plan = plan_scope(definition.scope, Workshop(definition, words, orchestrator, findings), ids)
    _report_the_rest(definition, words, findings)
    forms = {form: schema for form in sorted(_forms_used(plan)) if (schema := words.schema(form))}
    head = Head(definition.name, definition.description, forms, str(definition.raw.get("version_tag") or ""))
    bpmn = write(plan, head, draw(plan), ids)
    _check(bpmn)
    return Imported(definition.id, definition.name, bpmn, findings)


def _check(bpmn: bytes) -> None:
    """What is written must be what the engine runs: better refused here than at deployment."""
    try:
        parse(bpmn)
    except DefinitionInvalid as invalid:
        raise ImportRefused(
            "The definition cannot be run as it is drawn:\n" + "\n".join(f"  {p.message}" for p in invalid.problems),
            "Change these elements in Process GPT, export the definition again, and import it.",
        ) from None


def _forms_used(plan: Plan) -> set[str]:
    used: set[str] = set()
    for element in plan.elements:
        used |= _forms_of(element)
    return used


def _forms_of(element: Element) -> set[str]:
    if element.inside is not None:
        return _forms_used(element.inside)
    return {element.settings.form} if element.settings and element.settings.form else set()


def _report_the_rest(definition: GptDefinition, words: Vocabulary, findings: Findings) -> None:
    for field, forms in words.shared().items():
        findings.add(
            Outcome.CHANGED,
            definition.id,
            f"The field {field!r} is in {len(forms)} forms: here it is one variable, set by the last one.",
            ", ".join(forms),
        )
    for key in _NO_PLACE:
        if definition.raw.get(key):
            told = json.dumps(definition.raw[key], ensure_ascii=False)[:500]
            findings.add(Outcome.LEFT_OUT, definition.id, f"{key} is left out.", told)
    for item in definition.raw.get("data") or []:
        if isinstance(item, dict) and any(item.get(key) for key in _GIVES_DATA):
            said = f"The data {str(item.get('name'))!r} came from a table: give it as a variable, or as a tool."
            findings.add(Outcome.LEFT_OUT, definition.id, said, json.dumps(item, ensure_ascii=False)[:500])
