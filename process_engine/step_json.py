"""A step in the words of kernel.apply_step of init.sql."""

from kernel.models import Json
from process_engine import steps


def as_json(step: steps.Step, revision: int) -> Json:
    """`step` as it is committed, computed for `revision` of its instance; 0 where it starts one."""
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
    return result


def _task(task: steps.NewTask) -> Json:
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
    }
