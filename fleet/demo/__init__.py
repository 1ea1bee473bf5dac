"""`fleet demo`: a real process on real documents, from nothing to five answers."""

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from fleet.api_client import ApiClient
from fleet.console import out
from fleet.demo.documents import find_documents, load
from fleet.demo.report import report
from fleet.demo.requests import Request, ready_requests, with_words
from fleet.demo.run import run_all
from fleet.demo.table import DemoTable
from fleet.packaged import example
from fleet.programs.fleet_tree import FleetTree
from fleet.programs.secrecy import hide_from_other_processes
from fleet.programs.stopping import until_stopped
from kernel.errors import SettingsInvalid


def add_to(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command()(demo)


def demo(
    docs: Annotated[Path | None, typer.Option(help="Folder of Markdown, text, HTML, PDF and DOCX files.")] = None,
    ask: Annotated[list[str] | None, typer.Option(help="A request of your own; may be repeated.")] = None,
    pods: Annotated[int, typer.Option(min=1, max=16, help="Number of agent pods.")] = 2,
) -> None:
    """Run the service request process on a folder of documents, and play the person who approves.

    Without OPENAI_API_KEY the offline model answers: it extracts sentences, it does not write.
    """
    if docs is not None and not ask:
        raise SettingsInvalid("--docs: say what to ask about these documents, with --ask 'YOUR QUESTION'.")
    requests = [with_words(words) for words in ask] if ask else ready_requests()
    files = find_documents(docs)
    model = "your OPENAI_API_KEY's model" if os.environ.get("OPENAI_API_KEY") else "the offline extractive model"
    out.print(f"ProcessFleet demo: {len(requests)} requests, {len(files)} documents, {pods} pods, {model}\n")
    started = time.monotonic()
    hide_from_other_processes()
    completed = 0
    with (
        until_stopped() as came,
        tempfile.TemporaryDirectory(prefix="fleet-demo-") as folder,
        FleetTree(Path(folder), 0, pods) as tree,
        ApiClient(tree.connection.api_url, tree.connection.api_key) as api,
    ):
        _prepare(api, files)
        with DemoTable(requests) as table:
            runs = run_all(api, requests, table)
        completed = report(api, runs)
    if came:
        raise typer.Exit(128 + came[0])
    seconds = time.monotonic() - started
    out.print(f"demo: {completed} of {len(requests)} processes COMPLETED in {seconds:.0f} s", highlight=False)
    if completed < len(requests):
        raise typer.Exit(1)


def _prepare(api: ApiClient, files: dict[str, Path]) -> None:
    for skipped in load(api, files):
        out.print(f"  not loaded: {skipped}", highlight=False, markup=False)
    folder = example("service_request")
    for agent in Request.agents(folder / "agents.yaml"):
        api.put(f"/agents/{agent.pop('agent_id')}", agent)
    api.deploy(folder / "service_request.bpmn")
