"""A whole fleet whose API and pods reach the database through PostgREST alone."""

import getpass
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from live_fleet import LiveFleet, one_step, until
from supabase_project import SupabaseProject, supabase_project

from fleet.programs.fleet_tree import FleetTree
from kernel.errors import SettingsInvalid

ORCHESTRATORS = Path(__file__).resolve().parents[1] / "orchestrators"


@pytest.fixture(scope="module")
def project() -> Iterator[SupabaseProject]:
    with supabase_project() as made:
        yield made


@pytest.fixture(scope="module")
def environment(project: SupabaseProject) -> dict[str, str]:
    return {
        **os.environ,
        "FLEET_VIA": "supabase",
        "SUPABASE_URL": project.url,
        "SUPABASE_KEY": project.service_key,
        "DATABASE_URL": project.database_url,
        "FLEET_ORCHESTRATORS": str(ORCHESTRATORS),
        "FLEET_LEASE_SECONDS": "3",
        "FLEET_RUNNER_USER": getpass.getuser(),
    }


@pytest.fixture(scope="module")
def supabase_fleet(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFleet]:
    """One pod that serves echo and naughty, and the process definitions of both."""
    with FleetTree(tmp_path_factory.mktemp("fleet"), 0, 1, environment) as tree:
        live = LiveFleet(tree)
        live.deploy(one_step("naughty"))
        live.deploy(one_step("echo"))
        yield live
        live.close()


def test_a_process_runs_to_its_end(supabase_fleet: LiveFleet) -> None:
    body = {"process_definition_id": "one_step_echo", "process_instance_id": "new", "form_values": {"amount": 12}}
    answer = supabase_fleet.api.post("/complete?wait=60", {"input": body})
    assert answer["status"] == "COMPLETED"
    assert supabase_fleet.instance(answer["process_instance_id"])["variables"]["echo"]["amount"] == 12


def test_no_program_has_a_connection_to_the_database(supabase_fleet: LiveFleet, project: SupabaseProject) -> None:
    supabase_fleet.ended(supabase_fleet.start("one_step_echo"))
    with psycopg.connect(project.database_url) as owner:
        clients = owner.execute(
            "select distinct usename from pg_stat_activity where datname = 'project' and pid <> pg_backend_pid()"
        ).fetchall()
    assert clients == [("authenticator",)]


def test_a_cancelled_task_is_stopped_at_its_next_renewal(supabase_fleet: LiveFleet) -> None:
    instance_id = supabase_fleet.start("one_step_naughty", do="hang")
    supabase_fleet.task(instance_id, "IN_PROGRESS")
    supabase_fleet.api.post(f"/instances/{instance_id}/cancel", {"reason": "changed our minds"})
    assert supabase_fleet.ended(supabase_fleet.start("one_step_naughty", do="answer"))["status"] == "COMPLETED"


def test_the_lease_of_a_long_task_is_renewed(supabase_fleet: LiveFleet, project: SupabaseProject) -> None:
    instance_id = supabase_fleet.start("one_step_naughty", do="hang")
    task = supabase_fleet.task(instance_id, "IN_PROGRESS")
    leases = set()
    with psycopg.connect(project.database_url, autocommit=True) as owner:

        def renewed_twice() -> bool | None:
            query = "select lease_expires_at from public.todolist where task_id = %s"
            leases.add(owner.execute(query, [task["task_id"]]).fetchone())
            return len(leases) >= 3 or None

        until(renewed_twice)
    supabase_fleet.api.post(f"/instances/{instance_id}/cancel", {"reason": "seen enough"})


def test_doctor_looks_at_the_project_and_needs_no_database(environment: dict[str, str], tmp_path: Path) -> None:
    without = {name: value for name, value in environment.items() if name != "DATABASE_URL"}
    for changes, wanted in (
        ({}, r"ok +Supabase project: .* answers"),
        ({"SUPABASE_KEY": "wrong"}, r"missing Supabase"),
    ):
        doctor = [sys.executable, "-m", "fleet", "doctor", "--data", str(tmp_path)]
        shown = subprocess.run(
            doctor, check=False, env={**without, **changes}, capture_output=True, text=True, timeout=120
        )
        assert re.search(wanted, shown.stdout), shown.stdout + shown.stderr
        assert (shown.returncode == 0) is (changes == {})


def test_a_project_needs_the_owners_connection_to_be_set_up(environment: dict[str, str], tmp_path: Path) -> None:
    without = {name: value for name, value in environment.items() if name != "DATABASE_URL"}
    with pytest.raises(SettingsInvalid, match="DATABASE_URL"), FleetTree(tmp_path, 0, 1, without):
        pass
