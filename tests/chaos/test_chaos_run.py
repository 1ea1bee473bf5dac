"""A small run of `make chaos` with all faults: nothing lost, nothing doubled, nothing falsely COMPLETED."""

import tempfile
from pathlib import Path

import pytest

from chaos.__main__ import run
from chaos.plan import Plan

pytestmark = pytest.mark.chaos


async def test_a_small_run_with_all_faults_is_clean() -> None:
    with tempfile.TemporaryDirectory(prefix="fleet-chaos-") as folder:  # short: the database's socket is in there
        verdicts, thrown = await run(Plan("smoke", 24, 45, calm_seconds=120), Path(folder))
    assert [verdict for verdict in verdicts if not verdict.holds] == []
    assert thrown["restart_database"] and thrown["kill_pod"] and thrown["cut_connections"]
