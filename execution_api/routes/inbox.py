"""/inbox, and who has which task: claim, release, delegate, reassign."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from execution_api.access.auth import Caller, CallersKernel, KnownCaller
from execution_api.bodies.paging import AfterId, Limit, page
from execution_api.bodies.rows import ClaimRequest, DelegateRequest, Page, ReassignRequest
from execution_api.requests.problems import ApiProblem
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.models import Task

router = room("Tasks")

_REFUSALS = errors(404, 409, 413)


@router.get("/inbox", summary="What waits for a person", responses=errors())
async def get_inbox(
    kernel: CallersKernel,
    caller: KnownCaller,
    person: Annotated[str | None, Query(description="whose inbox; none: the caller's")] = None,
    group: Annotated[
        list[str] | None, Query(max_length=100, description="a group of theirs; may be repeated. None: the caller's")
    ] = None,
    claimed: Annotated[bool | None, Query(description="true: only theirs; false: only what they may claim")] = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> Page[Task]:
    """The open tasks of a person, then those that they may claim; each by priority, due time and age.

    A user sees their own inbox, by the groups of their token; whoever has the scope `operate` sees anybody's.
    """
    if group is not None and not caller.supervises:
        raise _foreign("group", ", ".join(group))
    found = await kernel.find_inbox(_person(caller, person, "person"), group, claimed, after, limit)
    asked = {"person": person, "group": group, "claimed": claimed}
    return page("/inbox", found, limit, "task_id", cursor="after", **asked)


@router.post("/tasks/{task_id}/claim", summary="Claim a task", responses=_REFUSALS)
async def claim_task(
    task_id: UUID, kernel: CallersKernel, caller: KnownCaller, body: ClaimRequest | None = None
) -> Task:
    """Take a task that is for you or your groups, so that nobody else works on it."""
    return await kernel.claim_task(task_id, _person(caller, body.person if body else None, "person"))


@router.post("/tasks/{task_id}/release", summary="Release a task", responses=errors(404, 409))
async def release_task(task_id: UUID, kernel: CallersKernel) -> Task:
    """Give a task back: to who delegated it, or to its groups."""
    return await kernel.release_task(task_id)


@router.post("/tasks/{task_id}/delegate", summary="Delegate a task", responses=_REFUSALS)
async def delegate_task(task_id: UUID, body: DelegateRequest, kernel: CallersKernel) -> Task:
    """Let somebody else do your task; when they release it, it is yours again."""
    return await kernel.delegate_task(task_id, body.person)


@router.post("/tasks/{task_id}/reassign", summary="Reassign a task", responses=_REFUSALS)
async def reassign_task(task_id: UUID, body: ReassignRequest, kernel: CallersKernel) -> Task:
    """Give anybody's task to a person, or to groups."""
    return await kernel.reassign_task(task_id, body.person, body.groups)


def _person(caller: Caller, named: str | None, field: str) -> str | None:
    """Whom the caller means: None for themselves."""
    if named is None or (caller.person is not None and named.casefold() == caller.person.casefold()):
        return None
    if not caller.supervises:
        raise _foreign(field, named)
    return named


def _foreign(field: str, value: str) -> ApiProblem:
    detail, remedy = "The credentials speak for their own person only.", "Leave it out, or use the role operator."
    return ApiProblem(403, "person_foreign", detail, field=field, value=value, remedy=remedy)
