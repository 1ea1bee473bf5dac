"""/tasks: all tasks, the submission of what people decided, and what operators do with a task."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from execution_api.access.auth import CallersKernel
from execution_api.bodies.paging import Before, Limit, Time, page
from execution_api.bodies.rows import Page, SubmitRequest, TaskChange, TaskFilter
from execution_api.requests.idempotency import REPLAYED, IdempotencyKey, fingerprint, mark_replayed
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.models import Task, TaskStatus
from process_engine.committing import advance

router = room("Tasks", "/tasks")


@router.get("", summary="List tasks", responses=errors())
async def list_tasks(
    kernel: CallersKernel,
    status: Annotated[TaskFilter, Query(description="TODO: what waits for people")] = "TODO",
    person: Annotated[str | None, Query(description="the assignee, or a candidate by name")] = None,
    group: Annotated[str | None, Query(description="a candidate group")] = None,
    instance: Annotated[UUID | None, Query(description="id of a process instance")] = None,
    definition: Annotated[str | None, Query(description="id of a process definition")] = None,
    activity: Annotated[str | None, Query(description="BPMN id of an activity")] = None,
    queue: Annotated[str | None, Query(description="name of an orchestrator")] = None,
    priority: Annotated[int | None, Query(ge=1, le=5, description="5 is the highest")] = None,
    due_before: Time = None,
    before: Before = None,
    limit: Limit = 50,
) -> Page[Task]:
    """Tasks, newest first; without parameters what waits for people, whoever they are."""
    found = await kernel.find_tasks(
        instance,
        None if status == "ALL" else TaskStatus(status),
        person,
        before,
        limit,
        group=group,
        definition_id=definition,
        activity_id=activity,
        queue=queue,
        priority=priority,
        due_before=due_before,
    )
    who = {"status": status, "person": person, "group": group, "instance": instance, "definition": definition}
    what = {"activity": activity, "queue": queue, "priority": priority, "due_before": due_before}
    return page("/tasks", found, limit, "task_id", **who, **what)


@router.get("/{task_id}", summary="Look into a task", responses=errors(404))
async def get_task(task_id: UUID, kernel: CallersKernel) -> Task:
    """A task with its input, form, draft and output."""
    return await kernel.require_task(task_id)


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
    return await kernel.require_task(submitted.task_id)


@router.patch("/{task_id}", summary="Change a task", responses=errors(404, 409, 413))
async def change_task(task_id: UUID, body: TaskChange, kernel: CallersKernel) -> Task:
    """Change the priority or the due time of a task that has not ended."""
    change = body.model_dump(mode="json", exclude_unset=True)
    return await kernel.change_task(task_id, change) if change else await kernel.require_task(task_id)


@router.post("/{task_id}/retry", summary="Retry a failed task", responses=errors(404, 409))
async def retry_task(task_id: UUID, kernel: CallersKernel) -> Task:
    """Take a FAILED task up again as it is, with all its attempts; its instance leaves ERROR with its last incident.

    Where a person's submission could not be followed by the process, the task waits for them again, with what they
    had entered as its draft.
    """
    return await kernel.retry_task(task_id)
