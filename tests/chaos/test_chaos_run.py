"""Small runs of `make chaos`: nothing lost, nothing doubled, nothing falsely COMPLETED, unless the pods are broken."""

import tempfile
from pathlib import Path

import pytest

from chaos.__main__ import run
from chaos.plan import Plan

pytestmark = pytest.mark.chaos
FORGETFUL = """
from agent_pod.run.task_calls import TaskCalls
TaskCalls.take = lambda self, key: None
"""


async def test_a_small_run_with_all_faults_is_clean() -> None:
    with tempfile.TemporaryDirectory(prefix="fleet-chaos-") as folder:  # short: the database's socket is in there
        verdicts, thrown = await run(Plan("smoke", 24, 45, calm_seconds=120), Path(folder))
    assert [verdict for verdict in verdicts if not verdict.holds] == []
    assert thrown["restart_database"] and thrown["kill_pod"] and thrown["cut_connections"]


async def test_pods_that_do_not_look_into_the_journal_are_found_out() -> None:
    plan = Plan("forgetful", 60, 30, faults=("kill_pod", "kill_orchestrator"), calm_seconds=120)
    with tempfile.TemporaryDirectory(prefix="fleet-chaos-") as folder:
        broken = Path(folder) / "broken"
        broken.mkdir()
        (broken / "sitecustomize.py").write_text(FORGETFUL)  # Python imports it when it starts
        verdicts, thrown = await run(plan, Path(folder), {"PYTHONPATH": str(broken)})
    wrong = {verdict.name for verdict in verdicts if not verdict.holds}
    assert thrown["kill_pod"]
    assert {"paid twice without such a reason", "side effects doubled"} <= wrong
