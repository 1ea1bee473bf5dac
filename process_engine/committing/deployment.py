"""Deploys definitions and decisions: checks a file, binds what it refers to, and adds it as a new version."""

from kernel.functions import Kernel
from kernel.models import DecisionSummary, DefinitionSummary
from process_engine.decisions.reader import parse_decisions
from process_engine.reading.definition import Definition, Reference, parse
from process_engine.reading.xml_source import Problems, as_text
from process_engine.values.errors import DefinitionInvalid


async def deploy(kernel: Kernel, bpmn: bytes, process_id: str | None = None) -> DefinitionSummary:
    """Check a process of a BPMN file, the executable one unless named, and add it as a new version.

    Raises DefinitionInvalid with every problem found, a process or decision that it names and that is not deployed
    included, and InvalidInput for an orchestrator that no pod serves.
    """
    definition = parse(bpmn, process_id)
    await _bind(kernel, definition)
    return await kernel.deploy_definition(
        definition.id, definition.name, as_text(bpmn), definition.spec, sorted(definition.orchestrators)
    )


async def deploy_decisions(kernel: Kernel, dmn: bytes) -> list[DecisionSummary]:
    """Check a DMN file and add every decision in it as a new version, all or none.

    Raises DefinitionInvalid with every problem found.
    """
    decisions = [{"id": one.id, "name": one.name, "spec": one.spec} for one in parse_decisions(dmn)]
    return await kernel.deploy_decisions(as_text(dmn), decisions)


async def _bind(kernel: Kernel, definition: Definition) -> None:
    """Find what the definition refers to, and pin the versions that are bound to this deployment."""
    problems = Problems()
    for reference in definition.references:
        newest = await _newest(kernel, reference)
        calls_itself = reference.kind == "process" and reference.name == definition.id
        if newest is None and not (calls_itself and reference.binding == "latest"):
            what = f"refers to the {reference.kind} {reference.name!r}, which is not deployed; deploy that first"
            problems.add(reference.element, what)
        elif reference.binding == "deployment":
            settings = definition.spec["activities"][reference.element.get("id")]
            settings["call" if reference.kind == "process" else "question"]["version"] = newest
    if problems.found:
        raise DefinitionInvalid(problems.found)


async def _newest(kernel: Kernel, reference: Reference) -> int | None:
    find = kernel.find_definitions if reference.kind == "process" else kernel.find_decisions
    versions = [found.version for found in await find(reference.name)]
    return max(versions, default=None)
