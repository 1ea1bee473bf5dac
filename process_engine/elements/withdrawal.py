"""Takes tokens back: those of instances that are no longer wanted, with all that runs inside them."""

from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.values.scoped import top_of


def withdraw(task: Task) -> None:
    """End a token and everything inside it without going on; one that has ended already stays as it is."""
    inside = top_of(task).subprocesses.pop(task.id, None)
    for inner in list(inside.tasks.values()) if inside is not None else []:
        withdraw(inner)
    if not task.has_state(TaskState.FINISHED_MASK):
        task._set_state(TaskState.CANCELLED)
