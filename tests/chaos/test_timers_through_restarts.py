"""Timers fire once whoever has died meanwhile: they are rows, and every API and every pod looks for them."""

import contextlib
import getpass
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from live_fleet import LiveFleet, until

from fleet.programs.fleet_tree import FleetTree

pytestmark = pytest.mark.chaos
ORCHESTRATORS = Path(__file__).resolve().parents[1] / "orchestrators"
REMINDED = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="file" targetNamespace="test">
  <bpmn:process id="reminded" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:userTask id="decide"/>
    <bpmn:boundaryEvent id="overdue" attachedToRef="decide">
      <bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>
    </bpmn:boundaryEvent>
    <bpmn:serviceTask id="remind">
      <bpmn:extensionElements><zeebe:taskDefinition type="echo"/></bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:endEvent id="end"/>
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="decide"/>
    <bpmn:sequenceFlow id="f2" sourceRef="decide" targetRef="end"/>
    <bpmn:sequenceFlow id="f3" sourceRef="overdue" targetRef="remind"/>
    <bpmn:sequenceFlow id="f4" sourceRef="remind" targetRef="end"/>
  </bpmn:process>
</bpmn:definitions>"""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[LiveFleet]:
    """One pod, and the process above."""
    environment = {
        **os.environ,
        "FLEET_ORCHESTRATORS": str(ORCHESTRATORS),
        "FLEET_RUNNER_USER": getpass.getuser(),
    }
    with FleetTree(tmp_path, 0, 1, environment) as tree:
        live = LiveFleet(tree)
        live.deploy(REMINDED)
        yield live
        live.close()


def kill(fleet: LiveFleet, *names: str) -> None:
    for child in fleet.tree.children:
        if child.name in names:
            assert child.process is not None
            os.kill(child.process.pid, signal.SIGKILL)
            child.process.wait()


def pass_an_hour(fleet: LiveFleet) -> None:
    with psycopg.connect(fleet.tree.connection.database_url, autocommit=True) as owner:
        owner.execute("select kernel.set_clock(interval '1 hour 1 minute')")


def api_answers(fleet: LiveFleet) -> bool | None:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{fleet.tree.connection.api_url}/readyz").is_success or None
    return None


def check_reminded_once(fleet: LiveFleet, instance_id: str) -> None:
    until(lambda: api_answers(fleet))
    instance = fleet.ended(instance_id)
    assert instance["status"] == "COMPLETED"
    assert {task["activity_id"]: task["status"] for task in instance["tasks"]} == {
        "decide": "CANCELLED",
        "remind": "DONE",
    }
    assert fleet.event_types(instance_id).count("EVENT_RECEIVED") == 1


def test_a_timer_that_was_due_while_nothing_ran_fires_when_something_runs_again(fleet: LiveFleet) -> None:
    instance_id = fleet.start("reminded")
    kill(fleet, "api", "pod-1")
    pass_an_hour(fleet)
    assert set(fleet.tree.keep_up()) == {"api", "pod-1"}
    check_reminded_once(fleet, instance_id)


def test_a_pod_alone_fires_timers_and_works_on_what_they_open(fleet: LiveFleet) -> None:
    instance_id = fleet.start("reminded")
    kill(fleet, "api")
    pass_an_hour(fleet)
    with psycopg.connect(fleet.tree.connection.database_url, autocommit=True) as owner:
        query = "select 1 from public.bpm_proc_inst where id = %s and status = 'COMPLETED'"
        until(lambda: owner.execute(query, [instance_id]).fetchone())
    fleet.tree.keep_up()
    check_reminded_once(fleet, instance_id)
