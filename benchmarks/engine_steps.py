"""Steps of the process engine per second: the service request example, computed alone, and with their commits."""

import re
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.pod_process import TENANT
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection
from process_engine.committing import advance, deployment
from process_engine.reading.definition import parse
from process_engine.running import steps

INSTANCES = 200
_EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "service_request" / "service_request.bpmn"
_OUTPUTS: dict[str, Any] = {
    "classify": {"category": "question", "summary": "s"},
    "draft_answer": {"decision": "approve", "answer": "a", "comment": "", "sources": []},
    "save_result": {"document_id": "d", "title": "t"},
}
_VARIABLES = {"request": "How?", "requester": "a@b.c"}


async def measure(database_url: str) -> list[Figure]:
    """200 instances of four steps each, alone and with their commits."""
    spec = parse(_EXAMPLE.read_bytes()).spec
    alone = INSTANCES * 4 / _seconds_alone(spec)
    committed = INSTANCES * 4 / await _seconds_committed(database_url)
    return [
        Figure("engine steps, computed", alone, "per s"),
        Figure("engine steps, read, computed and committed", committed, "per s", alone, "computed"),
    ]


def _seconds_alone(spec: dict[str, Any]) -> float:
    before = time.perf_counter()
    for _ in range(INSTANCES):
        step = steps.start(spec, _VARIABLES)
        while not step.ended:
            [task] = step.new_tasks
            step = steps.complete(spec, step.state, task.token_id, _OUTPUTS[task.activity_id])
    return time.perf_counter() - before


async def _seconds_committed(database_url: str) -> float:
    connection = PostgresConnection(database_url, "fleet_api")
    kernel = Kernel(connection).as_tenant(TENANT, "user:bench")
    await deployment.deploy(kernel, _as_people(_EXAMPLE.read_text(encoding="utf-8")))
    before = time.perf_counter()
    for _ in range(INSTANCES):
        started = await advance.start(kernel, "service_request", _VARIABLES, "user:bench")
        while tasks := [t for t in await kernel.find_tasks(started.proc_inst_id) if t.status == "TODO"]:
            await advance.submit(kernel, tasks[0].task_id, _OUTPUTS[tasks[0].activity_id])
    seconds = time.perf_counter() - before
    await connection.close()
    return seconds


def _as_people(bpmn: str) -> bytes:
    """The same process with people for agents, so that each step is one call of submit and no pod takes part."""
    bpmn = re.sub(r"<zeebe:taskDefinition[^>]*/>", "", bpmn)
    bpmn = re.sub(r'<zeebe:header key="(agent|agentMode|orchestrator)"[^>]*/>', "", bpmn)
    return bpmn.replace("bpmn:serviceTask", "bpmn:userTask").encode()
