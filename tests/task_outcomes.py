"""How a task ends, for those who claim tasks in tests."""

from typing import Any

from kernel.models import ClaimedTask, Json


def outcome(task: ClaimedTask, kind: str = "done", **fields: Any) -> Json:
    """How `task` ended, in the words of kernel.finish_task of init.sql."""
    key = {"tenant_id": task.tenant_id, "task_id": str(task.task_id), "fencing_token": task.fencing_token}
    instance = str(task.proc_inst_id) if task.proc_inst_id else None
    return {**key, "proc_inst_id": instance, "outcome": kind, **fields}
