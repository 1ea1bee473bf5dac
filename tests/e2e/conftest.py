"""A whole fleet as one process tree, for the tests of this folder."""

import getpass
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_fleet import LiveFleet, one_step

from fleet.programs.fleet_tree import FleetTree

ORCHESTRATORS = Path(__file__).resolve().parents[1] / "orchestrators"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a short name: the socket of a database below it has room for 85 characters."""
    with tempfile.TemporaryDirectory(prefix="fleet-e2e-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFleet]:
    """Two pods that serve echo and naughty, and the process definition one_step deployed."""
    environment = {
        **os.environ,
        "FLEET_ORCHESTRATORS": str(ORCHESTRATORS),
        "FLEET_LEASE_SECONDS": "3",
        "FLEET_RUNNER_USER": getpass.getuser(),
    }
    with FleetTree(tmp_path_factory.mktemp("fleet"), 0, 2, environment) as tree:
        live = LiveFleet(tree)
        live.deploy(one_step("naughty"))
        live.deploy(one_step("echo"))
        yield live
        live.close()
