"""/tasks: the inbox of people, and the submission of what they decided."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from execution_api.auth import CallersKernel
from execution_api.bodies import Page, SubmitRequest, TaskFilter
from execution_api.idempotency import REPLAYED, IdempotencyKey, fingerprint, mark_replayed
from execution_api.paging import Limit, next_page
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.errors import NotFound
from kernel.functions import Kernel
from kernel.models import Task, TaskStatus
from process_engine import advance

router = room("Tasks", "/tasks")


@router.get("", summary="List tasks", responses=errors())
async def list_tasks(
    kernel: CallersKernel,
    status: Annotated[TaskFilter, Query(description="TODO: what waits for people")] = "TODO",
    person: Annotated[str | None, Query(description="an assignee's e-mail or a candidate group")] = None,
    instance: Annotated[UUID | None, Query(description="id of a process instance")] = None,
    before: Annotated[UUID | None, Query(description="id of the last task of the page before")] = None,
    limit: Limit = 50,
) -> Page[Task]:
    """Tasks, newest first; without parameters the inbox of everybody."""
    wanted = None if status == "ALL" else TaskStatus(status)
    items = await kernel.find_tasks(instance, wanted, person, before, limit)
    last = items[-1].task_id if len(items) == limit else None
    within = str(instance) if instance else None
    return Page(items=items, next=next_page("/tasks", last, limit, status=status, person=person, instance=within))


@router.get("/{task_id}", summary="Look into a task", responses=errors(404))
async def get_task(task_id: UUID, kernel: CallersKernel) -> Task:
    """A task with its input, form, draft and output."""
    return await _read_task(kernel, task_id)


@router.post(
    "/{task_id}/submit",
    summary="Submit a task",
    responses={200: {"headers": REPLAYED}, **errors(404, 409, 413)},
)
async def submit_task(
    task_id: UUID,
    body: SubmitRequest,
    response: Response,
    kernel: CallersKernel,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """End a person's task with what they entered, and move its process instance on. The answer is the task."""
    key_print = fingerprint(f"submit {task_id}", body) if idempotency_key else None
    submitted = await advance.submit(kernel, task_id, body.output, idempotency_key, key_print)
    mark_replayed(response, submitted.replayed)
    return await _read_task(kernel, submitted.task_id)


async def _read_task(kernel: Kernel, task_id: UUID) -> Task:
    task = await kernel.get_task(task_id)
    if task is None:
        raise NotFound(f"There is no task {task_id}.", "task_unknown", "GET /tasks lists them.")
    return task
