"""A rolling upgrade: programs of the code before the newest init.sql and of today's share one database.

The old programs start on the old schema. Today's init.sql is applied while they work, today's programs start beside
them, and at last the old ones are stopped. Everything goes through the hands of both.
"""

import contextlib
import getpass
import itertools
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from earlier_code import EarlierFleet, check_out, commit_before_newest_schema
from live_fleet import LiveFleet, one_step, until

from fleet.programs.fleet_tree import FleetTree
from kernel.embedded import EmbeddedPostgres

pytestmark = pytest.mark.chaos
ORCHESTRATORS = Path(__file__).resolve().parents[1] / "orchestrators"
REVIEWED = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="file" targetNamespace="test">
  <bpmn:process id="reviewed" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:serviceTask id="prepare">
      <bpmn:extensionElements><zeebe:taskDefinition type="echo"/></bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:userTask id="review"/>
    <bpmn:serviceTask id="file_it">
      <bpmn:extensionElements><zeebe:taskDefinition type="echo"/></bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:endEvent id="end"/>
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="prepare"/>
    <bpmn:sequenceFlow id="f2" sourceRef="prepare" targetRef="review"/>
    <bpmn:sequenceFlow id="f3" sourceRef="review" targetRef="file_it"/>
    <bpmn:sequenceFlow id="f4" sourceRef="file_it" targetRef="end"/>
  </bpmn:process>
</bpmn:definitions>"""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Begun:
    """Instances that one fleet's API started, for another one to go on with."""

    reviewed: str
    asking: str
    failing: str

    @classmethod
    def by(cls, fleet: LiveFleet) -> "Begun":
        marker = fleet.tree.data / f"marker-{next(_numbers)}"
        return cls(
            fleet.start("reviewed"),
            fleet.start("one_step_naughty", do="ask_person"),
            fleet.start("one_step_naughty", do="crash_once", marker=str(marker)),
        )

    def go_on(self, fleet: LiveFleet) -> None:
        """Submit what waits for a person, answer what is asked, and take up what failed."""
        fleet.api.post(f"/tasks/{fleet.task(self.reviewed, 'TODO')['task_id']}/submit", {"output": {"fine": True}})
        task_id = fleet.task(self.asking, "WAITING")["task_id"]
        [question] = [q for q in fleet.api.get("/questions")["items"] if q["task_id"] == task_id]
        fleet.api.post(f"/questions/{question['question_id']}/answer", {"answer": "Yes"})
        fleet.api.post(f"/tasks/{fleet.task(self.failing, 'FAILED')['task_id']}/retry")


class Load(threading.Thread):
    """Starts instances through the given APIs and waits for their ends, over and over, until the end of the block."""

    def __init__(self, *fleets: LiveFleet):
        super().__init__()
        self._fleets = list(fleets)
        self._turn = threading.Lock()
        self._over = threading.Event()
        self.started: list[str] = []
        self.refused: list[Exception] = []

    def run(self) -> None:
        while not self._over.is_set():
            with self._turn:
                try:
                    begun = [(fleet, fleet.start("one_step_echo")) for fleet in self._fleets * 3]
                    self.started += [instance_id for _, instance_id in begun]
                    for fleet, instance_id in begun:
                        fleet.ended(instance_id)
                except Exception as error:
                    self.refused.append(error)
                    return

    def add(self, fleet: LiveFleet) -> None:
        with self._turn:
            self._fleets.append(fleet)

    def remove(self, fleet: LiveFleet) -> None:
        with self._turn:
            self._fleets.remove(fleet)

    def __enter__(self) -> "Load":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of its own: roles belong to a server, and here an earlier init.sql makes them."""
    # Not below pytest's own folder: as root the server is another user, and each pytest run closes that folder to it.
    with (
        tempfile.TemporaryDirectory(prefix="fleet-test-") as folder,
        EmbeddedPostgres(Path(folder) / "data") as embedded,
    ):
        with psycopg.connect(embedded.url, autocommit=True) as superuser:
            superuser.execute("alter system set fsync = off")
            superuser.execute("select pg_reload_conf()")
        yield embedded


def test_nothing_is_lost_or_doubled_while_old_and_new_programs_share_the_database(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    checkout = check_out(commit_before_newest_schema(), tmp_path / "checkout")
    environment = {
        **os.environ,
        "DATABASE_URL": server.url,
        "FLEET_ORCHESTRATORS": str(ORCHESTRATORS),
        "FLEET_INLINE_WAIT_SECONDS": "0",
        "FLEET_RUNNER_USER": getpass.getuser(),
    }
    go = tmp_path / "go"
    with (
        EarlierFleet(checkout, tmp_path / "old", 2, environment) as earlier,
        contextlib.closing(LiveFleet(earlier)) as old,
    ):
        for bpmn in (one_step("echo"), one_step("naughty", timeout_seconds=300), REVIEWED):
            old.deploy(bpmn)
        long = old.start("one_step_naughty", do="wait_for_file", file=str(go))
        old.task(long, "IN_PROGRESS")
        begun = [Begun.by(old), Begun.by(old)]
        with (
            Load(old) as load,
            FleetTree(tmp_path / "new", 0, 1, environment) as tree,
            contextlib.closing(LiveFleet(tree)) as new,
        ):
            upgraded_at = now(server)
            load.add(new)
            begun += [Begun.by(old), Begun.by(new)]
            go.touch()
            for instances, fleet in zip(begun, (new, old, new, old), strict=True):
                instances.go_on(fleet)
            until(lambda: pods_at_work(server, upgraded_at) == 3 or None)
            load.remove(old)
            earlier.stop()
            stopped_at = now(server)
            until(lambda: pods_at_work(server, stopped_at) == 1 or None)
            load.stop()
            assert load.refused == []
            wait_for_the_rest(server)
        started = 1 + 3 * len(begun) + len(load.started)
    check_once_and_whole(server, started)
    check_logs([*(tmp_path / "old").rglob("*.log"), *(tmp_path / "new").rglob("*.log"), server.log])


def now(server: EmbeddedPostgres) -> object:
    return rows(server, "select kernel.now()")[0][0]


def pods_at_work(server: EmbeddedPostgres, since: object) -> int:
    """How many pods have claimed tasks since that time."""
    query = """select count(distinct actor) from public.events where event_type = 'TASK_CLAIMED' and "timestamp" > %s"""
    return rows(server, query, since)[0][0]


def wait_for_the_rest(server: EmbeddedPostgres) -> None:
    with contextlib.suppress(AssertionError):
        until(lambda: not unfinished(server) or None)
    assert unfinished(server) == []


def unfinished(server: EmbeddedPostgres) -> list[tuple]:
    query = """select i.process_definition_id, i.status, i.error, t.activity_id, t.status, t.attempt, t.available_at
        from public.bpm_proc_inst i left join public.todolist t on t.proc_inst_id = i.id
        where i.status <> 'COMPLETED'"""
    return rows(server, query)


def check_once_and_whole(server: EmbeddedPostgres, started: int) -> None:
    """Every instance is there and COMPLETED, and each of its tasks was done once."""
    assert rows(server, "select status, count(*) from public.bpm_proc_inst group by 1") == [("COMPLETED", started)]
    assert rows(server, "select status, count(*) > 0 from public.todolist group by 1") == [("DONE", True)]
    ended = """select t.task_id, count(e.*) from public.todolist t left join public.events e on e.task_id = t.task_id
        and e.event_type in ('TASK_COMPLETED', 'TASK_SUBMITTED') group by 1 having count(e.*) <> 1"""
    assert rows(server, ended) == []
    again = """select t.task_id from public.todolist t where t.agent_orch = 'echo' and 1 <> (select count(*)
        from public.events e where e.task_id = t.task_id and e.event_type = 'TASK_CLAIMED')"""
    assert rows(server, again) == []


def check_logs(logs: list[Path]) -> None:
    """No program met a function, column or plan that it does not know."""
    for log in logs:
        said = log.read_text(errors="replace")
        for trouble in ("does not exist", "must not change", "Traceback", "deadlock detected"):
            assert trouble not in said, f"{log}: {[line for line in said.splitlines() if trouble in line][:5]}"


def rows(server: EmbeddedPostgres, query: str, *values: object) -> list[tuple]:
    with psycopg.connect(server.url) as owner:
        return owner.execute(query, values).fetchall()  # type: ignore[arg-type]
