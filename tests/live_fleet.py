"""A running fleet as the tests of whole processes see it: through HTTP, and its processes by their ids."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fleet.api_client import ApiClient
from fleet.programs.fleet_tree import FleetTree

_T = TypeVar("_T")
PATIENCE_SECONDS = 60


class LiveFleet:
    """The API of a running fleet."""

    def __init__(self, tree: FleetTree):
        self.tree = tree
        self.api = ApiClient(tree.connection.api_url, tree.connection.api_key)

    def close(self) -> None:
        self.api._http.close()

    def deploy(self, bpmn: str) -> Any:
        with tempfile.NamedTemporaryFile("w", suffix=".bpmn") as file:
            file.write(bpmn)
            file.flush()
            return self.api.deploy(Path(file.name))

    def start(self, definition: str, **variables: Any) -> str:
        """Start an instance; returns its id."""
        body = {"process_definition_id": definition, "process_instance_id": "new", "form_values": variables}
        return self.api.post("/complete", {"input": body})["process_instance_id"]

    def instance(self, instance_id: str) -> Any:
        return self.api.get(f"/instances/{instance_id}")

    def ended(self, instance_id: str) -> Any:
        """The instance once it has left RUNNING."""
        return until(lambda: self._if(instance_id, lambda i: i["status"] != "RUNNING"))

    def task(self, instance_id: str, status: str) -> Any:
        """The instance's task once it has `status`."""
        return until(lambda: next((t for t in self.instance(instance_id)["tasks"] if t["status"] == status), None))

    def event_types(self, instance_id: str) -> list[str]:
        return [event["event_type"] for event in self.api.get(f"/instances/{instance_id}/events", limit=500)["items"]]

    def _if(self, instance_id: str, holds: Callable[[Any], bool]) -> Any:
        instance = self.instance(instance_id)
        return instance if holds(instance) else None


def until(look: Callable[[], _T | None], seconds: float = PATIENCE_SECONDS) -> _T:
    """What `look` returns once it is not None; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {seconds} s")


def one_step(orchestrator: str, retries: int = 1, timeout_seconds: int = 20, definition: str | None = None) -> str:
    """A process with one task for `orchestrator`; its id is one_step_<orchestrator> unless told otherwise."""
    return f"""<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
      xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="file" targetNamespace="test">
      <bpmn:process id="{definition or f"one_step_{orchestrator}"}" name="One step" isExecutable="true">
        <bpmn:startEvent id="start"/>
        <bpmn:serviceTask id="work" name="Work">
          <bpmn:extensionElements>
            <zeebe:taskDefinition type="{orchestrator}" retries="{retries}"/>
            <zeebe:taskHeaders><zeebe:header key="timeoutSeconds" value="{timeout_seconds}"/></zeebe:taskHeaders>
          </bpmn:extensionElements>
        </bpmn:serviceTask>
        <bpmn:endEvent id="end"/>
        <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="work"/>
        <bpmn:sequenceFlow id="f2" sourceRef="work" targetRef="end"/>
      </bpmn:process>
    </bpmn:definitions>"""
