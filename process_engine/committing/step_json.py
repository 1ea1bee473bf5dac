"""A step in the words of kernel.apply_step of init.sql."""

from kernel.models import Json
from process_engine.running.changes import Changed
from process_engine.running.stepping import Step
from process_engine.running.work import NewTask


def as_json(step: Step, revision: int, given: Json | None = None) -> Json:
    """`step` as it is committed, computed for `revision` of its instance; 0 where it starts one.

    `given`: what it was computed from (step_input in init.sql); None where that is the output of a task.
    """
    result: Json = {
        "revision": revision,
        "state": step.state,
        "variables": step.variables,
        "ended": step.ended,
        "cancelled": step.cancelled,
        "tasks": [_task(task) for task in step.new_tasks],
    }
    if step.opened or step.closed or step.left:
        result["events"] = {"opened": step.opened, "closed": step.closed, "thrown": step.left}
    if given is not None:
        result["given"] = given
    return result


def start_given(variables: Json, event: str | None = None, payload: Json | None = None) -> Json:
    """What a first step was computed from."""
    return {"kind": "start", "variables": variables, "event": event, "payload": payload}


def move_given(token_id: str, target: str, variables: Json) -> Json:
    """What a move was computed from."""
    return {"kind": "move", "token": token_id, "to": target, "variables": variables}


def fork_given(state: Json) -> Json:
    """What a fork begins with."""
    return {"kind": "fork", "state": state}


def change_as_json(changed: Changed, revision: int, token_id: str | None, variables: Json) -> Json:
    """A change of `variables` as kernel.change_variables takes it, computed for `revision`."""
    result: Json = {
        "revision": revision,
        "state": changed.state,
        "variables": changed.variables,
        "given": {"kind": "change", "token": token_id, "variables": variables},
    }
    if changed.task is not None:
        task = _task(changed.task)
        result["task"] = {name: task[name] for name in ("input", "instruction", "assignee", "candidate_groups")}
    return result


def _task(task: NewTask) -> Json:
    return {
        "process_definition_id": task.process_definition_id,
        "activity_id": task.activity_id,
        "name": task.activity_name,
        "iteration": task.iteration,
        "engine_token": task.token_id,
        "agent_orch": task.orchestrator,
        "agent_id": task.agent,
        "agent_mode": task.agent_mode,
        "instruction": task.instruction,
        "input": task.input,
        "output_schema": task.output_schema,
        "form": task.form,
        "assignee": task.assignee,
        "candidate_groups": task.candidate_groups,
        "priority": task.priority,
        "max_attempts": task.max_attempts,
        "retry_policy": task.retry_policy,
        "timeout_seconds": task.timeout_seconds,
        **({"limits": task.limits} if task.limits else {}),
    }
