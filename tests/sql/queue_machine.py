"""A random fleet against a model of the queue: three pods, a clock, and every token that was ever given out.

A claim may or may not sweep (each pod sweeps about once in a second, and whenever it finds nothing), so after a claim
the model lets tasks whose lease or waiting time is over be in either state, and then believes the database.
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from fixture_types import ended
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from instance_steps import model_call
from psycopg.rows import dict_row

from kernel.errors import LeaseLost
from kernel.functions import Kernel
from kernel.models import ClaimedTask

LEASE_SECONDS = 30
MARGIN_SECONDS = 5
STALE_WRITES = ("done", "draft", "failed", "released", "record_call", "report_progress", "save_task_document")


@dataclass
class Fleet:
    """What all examples share: the loop, the owner's connection, the API and the pods."""

    runner: asyncio.Runner
    owner: psycopg.Connection
    api: Kernel
    pods: list[Kernel]
    clock: float = 0


@dataclass
class ModelTask:
    """A task as it must be."""

    tenant_id: str
    max_attempts: int
    status: str = "PENDING"
    attempt: int = 0
    token: int | None = None
    due: float = 0  # on the clock: when its lease runs out, or when its retry may begin
    was_lost: bool = False  # the last failed attempt lost its pod: the next one that does so is followed by a pause

    def is_settled(self, clock: float) -> bool:
        """Whether no sweep can change it now; near its time nobody knows."""
        return self.status not in {"IN_PROGRESS", "PENDING"} or self.due == 0 or clock < self.due - MARGIN_SECONDS


class QueueMachine(RuleBasedStateMachine):
    """Each rule makes one call and says what must have come of it; the invariant compares every task."""

    live = Bundle("live")
    stale = Bundle("stale")
    drafts = Bundle("drafts")

    def __init__(self, fleet: Fleet):
        super().__init__()
        self.fleet = fleet
        self.tasks: dict[UUID, ModelTask] = {}
        self.highest_token = 0

    @initialize()
    def empty(self) -> None:
        self.fleet.owner.execute("truncate todolist, events, journal, documents cascade")
        self.move_clock(10_000)

    @rule(
        tenant=st.sampled_from(["acme", "globex"]),
        priority=st.integers(1, 5),
        max_attempts=st.integers(1, 3),
        number=st.integers(1, 3),
    )
    def enqueue(self, tenant: str, priority: int, max_attempts: int, number: int) -> None:
        task = {"activity_id": "work", "agent_orch": "echo", "priority": priority, "max_attempts": max_attempts}
        api = self.fleet.api.as_tenant(tenant, "user:ann")
        for task_id in self.fleet.runner.run(api.enqueue_tasks([task] * number)):
            self.tasks[task_id] = ModelTask(tenant, max_attempts)

    @rule(target=live, pod=st.integers(0, 2))
    def claim(self, pod: int) -> Any:
        claimed = self.next_task(pod)
        if claimed is None and any(self.is_claimable(task) for task in self.tasks.values()):
            self.move_clock(3)
            claimed = self.next_task(pod)
            assert claimed is not None, "a task that can be claimed is not found"
        return multiple() if claimed is None else claimed

    @rule(task=live)
    def renew(self, task: ClaimedTask) -> None:
        renewal = self.fleet.runner.run(self.fleet.pods[0].renew_lease(task, LEASE_SECONDS))
        assert renewal.state == ("renewed" if self.holds(task) else "lost")
        if self.holds(task):
            self.tasks[task.task_id].due = self.fleet.clock + LEASE_SECONDS

    @rule(target=stale, task=consumes(live))
    def complete(self, task: ClaimedTask) -> ClaimedTask:
        if self.end(task, "done", output={}):
            self.settle(task, "DONE")
        return task

    @rule(target=stale, task=consumes(live))
    def fail_for_good(self, task: ClaimedTask) -> ClaimedTask:
        if self.end(task, "failed", reason="no", retryable=False):
            self.settle(task, "FAILED")
        return task

    @rule(target=stale, task=consumes(live))
    def fail_for_now(self, task: ClaimedTask) -> ClaimedTask:
        if self.end(task, "failed", reason="busy", retryable=True):
            last = task.attempt == task.max_attempts
            self.tasks[task.task_id].was_lost = False
            self.settle(task, "FAILED" if last else "PENDING", due=0 if last else 6 * 3 ** (task.attempt - 1))
        return task

    @rule(target=stale, task=consumes(live))
    def release(self, task: ClaimedTask) -> ClaimedTask:
        if self.end(task, "released"):
            self.settle(task, "PENDING")
            self.tasks[task.task_id].attempt -= 1
        return task

    @rule(target=drafts, task=consumes(live))
    def draft(self, task: ClaimedTask) -> Any:
        if not self.end(task, "draft", output={}):
            return multiple()
        self.settle(task, "TODO")
        return task

    @rule(target=stale, task=consumes(drafts))
    def submit(self, task: ClaimedTask) -> ClaimedTask:
        api = self.fleet.api.as_tenant(task.tenant_id, "user:ann")
        self.fleet.runner.run(api.submit_task(task.task_id, {}))
        self.settle(task, "DONE")
        return task

    @rule(task=stale, kind=st.sampled_from(STALE_WRITES), pod=st.integers(0, 2))
    def write_with_a_stale_token(self, task: ClaimedTask, kind: str, pod: int) -> None:
        assert not self.write(self.fleet.pods[pod], task, kind), f"{kind} went through with a stale token"
        assert self.fleet.runner.run(self.fleet.pods[pod].renew_lease(task, 600)).state == "lost"

    @rule(seconds=st.sampled_from([1, 10, LEASE_SECONDS + MARGIN_SECONDS + 1, 100]))
    def let_time_pass(self, seconds: float) -> None:
        self.move_clock(seconds)

    @invariant()
    def every_task_is_as_it_must_be(self) -> None:
        found = self.found()
        assert found.keys() == self.tasks.keys()
        for task_id, task in self.tasks.items():
            row = found[task_id]
            assert (row["status"], row["attempt"], row["fencing_token"]) == (task.status, task.attempt, task.token)
            assert task.attempt <= task.max_attempts
            assert row["ends"] == (1 if task.status == "DONE" else 0), "a task was ended twice"

    def teardown(self) -> None:
        """Whatever happened, a pod that comes in the end finds every task that is not over."""
        self.move_clock(10_000)
        while claimed := self.next_task(0):
            assert self.end(claimed, "done", output={})
            self.settle(claimed, "DONE")
        self.every_task_is_as_it_must_be()
        assert {task.status for task in self.tasks.values()} <= {"DONE", "FAILED", "TODO"}

    def next_task(self, pod: int) -> ClaimedTask | None:
        """Claim, and check what the claim and its sweep did to every task."""
        claim = self.fleet.pods[pod].next_task(UUID(int=pod), ["echo"], LEASE_SECONDS)
        claimed = self.fleet.runner.run(claim)
        for task_id, row in self.found().items():
            if claimed is None or claimed.task_id != task_id:
                self.accept_sweep(self.tasks[task_id], row, must=claimed is None)
        if claimed is not None:
            self.accept_claim(claimed)
        return claimed

    def accept_claim(self, claimed: ClaimedTask) -> None:
        task = self.tasks[claimed.task_id]
        assert task.status == "PENDING" or not task.is_settled(self.fleet.clock), "a running task was claimed"
        assert task.status != "PENDING" or task.due <= self.fleet.clock + MARGIN_SECONDS, "a retry came early"
        assert claimed.attempt == task.attempt + 1
        assert claimed.fencing_token > self.highest_token
        self.highest_token = claimed.fencing_token
        task.status, task.attempt, task.token = "IN_PROGRESS", claimed.attempt, claimed.fencing_token
        task.due = self.fleet.clock + LEASE_SECONDS

    def accept_sweep(self, task: ModelTask, row: dict[str, Any], must: bool) -> None:
        if task.status == "IN_PROGRESS" and row["status"] != "IN_PROGRESS":
            assert not task.is_settled(self.fleet.clock), "a lease that runs was reclaimed"
            assert row["status"] == ("FAILED" if task.attempt == task.max_attempts else "PENDING")
            pause = task.was_lost and row["status"] == "PENDING"
            task.status, task.due = row["status"], self.fleet.clock + 6 * 3 ** (task.attempt - 1) if pause else 0
            task.was_lost = True
        elif task.status == "IN_PROGRESS" and must:
            assert self.fleet.clock <= task.due + MARGIN_SECONDS, "an expired lease was not reclaimed"

    def is_claimable(self, task: ModelTask) -> bool:
        return task.status == "PENDING" and (task.due == 0 or self.fleet.clock > task.due + MARGIN_SECONDS)

    def holds(self, task: ClaimedTask) -> bool:
        mine = self.tasks[task.task_id]
        return mine.status == "IN_PROGRESS" and mine.token == task.fencing_token

    def end(self, task: ClaimedTask, outcome: str, **fields: Any) -> bool:
        """End a task; returns whether it was accepted, which must be so exactly for the running claim."""
        done = ended(task, outcome=outcome, **fields)
        accepted = self.accepted(self.fleet.pods[0].next_task(UUID(int=0), [], LEASE_SECONDS, done))
        assert accepted == self.holds(task)
        return accepted

    def write(self, pod: Kernel, task: ClaimedTask, kind: str) -> bool:
        if kind == "record_call":
            return self.accepted(pod.record_call(task, model_call()))
        if kind == "report_progress":
            return self.accepted(pod.report_progress(task, "half"))
        if kind == "save_task_document":
            return self.accepted(pod.save_task_document(task, "T", "text", [], "m", [], uuid4()))
        done = ended(task, outcome=kind, output={}, reason="no", retryable=True)
        return self.accepted(pod.next_task(UUID(int=0), [], LEASE_SECONDS, done))

    def accepted(self, call: Any) -> bool:
        try:
            self.fleet.runner.run(call)
        except LeaseLost:
            return False
        return True

    def settle(self, task: ClaimedTask, status: str, due: float = 0) -> None:
        mine = self.tasks[task.task_id]
        mine.status, mine.due = status, self.fleet.clock + due if due else 0

    def move_clock(self, seconds: float) -> None:
        self.fleet.clock += seconds
        self.fleet.owner.execute("select kernel.set_clock(make_interval(secs => %s))", [self.fleet.clock])

    def found(self) -> dict[UUID, dict[str, Any]]:
        """Every task as the database has it, with the number of its ends."""
        with self.fleet.owner.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute("""select t.task_id, t.status::text, t.attempt, t.fencing_token,
                (select count(*) from events e where e.task_id = t.task_id
                 and e.event_type in ('TASK_COMPLETED', 'TASK_SUBMITTED')) as ends from todolist t""")
            return {row["task_id"]: row for row in rows}
