"""`fleet import process-gpt`: a definition of Process GPT becomes a BPMN file, and perhaps a deployed definition."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from agent_pod.user_space.environments import equip
from agent_pod.user_space.registry import read_orchestrators
from fleet.api_client import ApiClient
from fleet.connection import DEFAULT_DATA, api_and_key
from fleet.console import out
from fleet.programs.prepare import path_setting
from importing.process_gpt.convert import Imported, convert
from importing.process_gpt.findings import MEANING, Outcome
from importing.process_gpt.tasks import ChooseOrchestrator
from kernel.errors import SettingsInvalid

app = typer.Typer(name="import", help="Import process definitions of other systems.", no_args_is_help=True)

DEFAULT_ORCHESTRATOR = "openai-action"


@app.callback()
def _room() -> None:
    """Import process definitions of other systems."""


@app.command(name="process-gpt")
def import_process_gpt(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A definition as JSON.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="BPMN file to write; without it, FILE.bpmn, which must not exist.")
    ] = None,
    deploy: Annotated[bool, typer.Option("--deploy", help="Deploy it as well.")] = False,
    orchestrators: Annotated[
        list[str] | None,
        typer.Option("--orchestrator", metavar="THERE=HERE", help="Which orchestrator runs an orchestration here."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    data: Annotated[Path, typer.Option(help="Folder of the fleet to deploy to.")] = DEFAULT_DATA,
) -> None:
    """Turn the JSON of a Process GPT definition into BPMN, and report what is different."""
    target = out_file or file.with_suffix(".bpmn")
    if out_file is None and target.exists():
        raise SettingsInvalid(f"{target} exists. Name the file to write with --out, or move it away.")
    imported = convert(file.read_bytes(), _chooser(orchestrators or []))
    target.write_bytes(imported.bpmn)
    deployed = _deploy(target, data) if deploy else None
    if as_json:
        out.print_json(data={**imported.as_json(), "file": str(target), "deployed_version": deployed})
    else:
        _show(imported, target, deployed)


def _chooser(pairs: list[str]) -> ChooseOrchestrator:
    """An orchestration keeps its name where an orchestrator of that name can run here; `pairs` go before that."""
    told: dict[str, str] = {}
    for pair in pairs:
        there, equals, here = pair.partition("=")
        if not equals or not here:
            raise SettingsInvalid(f"--orchestrator {pair!r}: write THERE=HERE, such as crewai-action=openai-action.")
        told[there] = here
    declared = read_orchestrators(path_setting("fleet_orchestrators"), [])
    served, _ = equip(declared, path_setting("fleet_environments"), [])
    return lambda there: told.get(there) or (there if there in served else DEFAULT_ORCHESTRATOR)


def _deploy(path: Path, data: Path) -> int:
    with ApiClient(*api_and_key(data)) as api:
        return api.deploy(path)[0]["version"]


def _show(imported: Imported, target: Path, version: int | None) -> None:
    deployed = f", deployed as version {version}" if version is not None else ""
    out.print(f"{imported.id} -> {target}{deployed}", highlight=False, markup=False)
    findings = imported.findings.sorted()
    if not findings:
        out.print("Everything was carried over.")
        return
    table = Table(title=f"{len(findings)} things are different", title_justify="left")
    for column in ("outcome", "element", "what", "in Process GPT"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        table.add_row(finding.outcome, Text(finding.element), Text(finding.what), Text(finding.original))
    out.print(table)
    for outcome in Outcome:
        number = len(imported.findings.of(outcome))
        if number:
            out.print(f"{outcome}: {number} ({MEANING[outcome]})", highlight=False)
