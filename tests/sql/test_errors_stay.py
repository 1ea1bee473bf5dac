"""An instance with a failed task is in ERROR with an incident and never COMPLETED, whatever ends meanwhile.

The process has three branches at once: two end, and the third ends either so or by a terminate end event.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import psycopg
from fixture_types import ended
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.functions import Kernel
from kernel.models import ClaimedTask
from kernel.postgres import PostgresConnection
from process_engine.committing import advance
from process_engine.reading.definition import parse

TASK = """<bpmn:serviceTask id="{0}"><bpmn:extensionElements><zeebe:taskDefinition type="echo" retries="2"/>
  </bpmn:extensionElements></bpmn:serviceTask><bpmn:sequenceFlow id="to_{0}" sourceRef="fork" targetRef="{0}"/>"""
BPMN = f"""<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="file" targetNamespace="test">
  <bpmn:process id="three" isExecutable="true">
    <bpmn:startEvent id="start"/><bpmn:parallelGateway id="fork"/>
    <bpmn:sequenceFlow id="begin" sourceRef="start" targetRef="fork"/>
    {TASK.format("a")}{TASK.format("b")}{TASK.format("c")}
    <bpmn:endEvent id="end_a"/><bpmn:endEvent id="end_b"/><bpmn:endEvent id="end_c"/>
    <bpmn:endEvent id="stop"><bpmn:terminateEventDefinition id="terminate"/></bpmn:endEvent>
    <bpmn:sequenceFlow id="a_ends" sourceRef="a" targetRef="end_a"/>
    <bpmn:sequenceFlow id="b_ends" sourceRef="b" targetRef="end_b"/>
    <bpmn:exclusiveGateway id="which" default="c_ends"/>
    <bpmn:sequenceFlow id="c_goes" sourceRef="c" targetRef="which"/>
    <bpmn:sequenceFlow id="c_ends" sourceRef="which" targetRef="end_c"/>
    <bpmn:sequenceFlow id="c_stops" sourceRef="which" targetRef="stop">
      <bpmn:conditionExpression>=stops</bpmn:conditionExpression></bpmn:sequenceFlow>
  </bpmn:process>
</bpmn:definitions>"""
OUTPUTS = {"done": {"stops": False}, "stop": {"stops": True}, "nonsense": {"stops": "perhaps"}}
ENDS = st.sampled_from([*OUTPUTS, "model_auth", "timed_out", "worker_lost", "retry", "cancel"])


class Process:
    """One instance, and a pod that does what it is told."""

    def __init__(self, run: Any, owner: psycopg.Connection, api: Kernel, pod: Kernel, clock: list[float]):
        self.run, self.owner, self.api, self.pod, self.clock = run, owner, api, pod, clock
        self.id = run(advance.start(api, "three", {}, "ann@acme.test")).proc_inst_id

    def act(self, deed: str) -> None:
        if deed == "retry":
            if any(task.status == "FAILED" for task in self.tasks()):
                self.run(self.api.retry_instance(self.id))
            return
        if deed == "cancel":
            if self.status() in ("RUNNING", "ERROR"):
                self.run(self.api.cancel_instance(self.id, "enough"))
            return
        task = self.run(self.pod.next_task(UUID(int=0), ["echo"], 30))
        if task is not None and deed != "worker_lost":
            self.end(task, deed)
        self.let_time_pass()

    def end(self, task: ClaimedTask, deed: str) -> None:
        if deed not in OUTPUTS:
            done = ended(task, outcome="failed", error_class=deed, reason=deed, retryable=True)
        else:
            step, incident = self.run(advance.step_after(self.api, task, OUTPUTS[deed]))
            failure = {"outcome": "failed", "error_class": "definition_invalid", "retryable": False}
            done = ended(task, step=step) if incident is None else ended(task, **failure, **incident)
        self.run(self.pod.next_task(UUID(int=0), [], 30, done))

    def let_time_pass(self) -> None:
        """Leases run out, retries become due, and a pod looks."""
        for _ in range(2):
            self.clock[0] += 3600
            self.owner.execute("select kernel.set_clock(make_interval(secs => %s))", [self.clock[0]])
            task = self.run(self.pod.next_task(UUID(int=0), ["echo"], 30))
            if task is not None:
                self.run(self.pod.next_task(UUID(int=0), [], 30, ended(task, outcome="released")))

    def tasks(self) -> list[Any]:
        return self.run(self.api.find_tasks(self.id))

    def status(self) -> str:
        return self.run(self.api.get_instance(self.id)).status

    def check(self) -> None:
        failed = [task for task in self.tasks() if task.status == "FAILED"]
        status = self.status()
        assert not failed or status == "ERROR", f"{len(failed)} failed tasks, and the instance is {status}"
        assert failed or status != "ERROR"
        incidents = {
            event.task_id for event in self.run(self.api.find_events(self.id)) if event.event_type == "INCIDENT"
        }
        assert {task.task_id for task in failed} <= incidents
        assert all(task.error and task.error_class for task in failed)
        open_tasks = [task for task in self.tasks() if task.status in ("PENDING", "IN_PROGRESS", "TODO", "WAITING")]
        assert status != "COMPLETED" or not open_tasks


def test_an_instance_with_a_failed_task_is_in_error_and_never_completed(
    database_url: str, owner: psycopg.Connection
) -> None:
    clock = [0.0]
    reached: set[str] = set()
    with asyncio.Runner() as runner:
        connections = [PostgresConnection(database_url, role) for role in ("fleet_api", "fleet_pod")]
        api, pod = Kernel(connections[0]).as_tenant("acme", "user:ann"), Kernel(connections[1])
        definition = parse(BPMN.encode())
        runner.run(api.deploy_definition("three", "Three", BPMN, definition.spec, []))
        runner.run(pod.register_pod(UUID(int=0), "pod", [{"id": "echo", "description": ""}], None))

        @settings(
            max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
        )
        @given(st.lists(ENDS, min_size=3, max_size=8))
        def whatever_happens(deeds: list[str]) -> None:
            owner.execute("truncate todolist, events, bpm_proc_inst cascade")
            process = Process(runner.run, owner, api, pod, clock)
            for deed in deeds:
                process.act(deed)
                process.check()
                reached.add(process.status())

        whatever_happens()
        runner.run(close(connections))
    assert reached == {"RUNNING", "ERROR", "COMPLETED", "CANCELLED"}


async def close(connections: list[PostgresConnection]) -> None:
    async with AsyncExitStack() as stack:
        for connection in connections:
            stack.push_async_callback(connection.close)
