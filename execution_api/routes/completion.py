"""/complete: start a process instance, or submit a person's task in one."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from execution_api.access.auth import Caller, CallersKernel, KnownCaller
from execution_api.access.initiator import choose_initiator, with_initiator
from execution_api.bodies.completion import NEW, Completion, CompletionInput, CompletionRequest
from execution_api.bodies.rows import InstanceLinks
from execution_api.requests.idempotency import REPLAYED, IdempotencyKey, fingerprint, mark_replayed
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.services import services_of
from execution_api.work.completion import check_start, check_tenant, choose_task, fields_of, unused_fields
from execution_api.work.waiting import Standing, read_standing, settle
from kernel.functions import Kernel
from kernel.models import Started, Submitted, Task
from process_engine.committing import advance

router = room("Complete")

_ANSWERS = {
    202: {"headers": REPLAYED, "description": "Accepted; agents may be at work on it."},
    200: {
        "model": Completion,
        "headers": REPLAYED,
        "description": "With `wait`: the instance has ended, is in ERROR, or waits for people alone.",
    },
    **errors(404, 409, 413),
}


@router.post("/complete", status_code=202, response_model=Completion, responses=_ANSWERS, summary="Start or submit")
async def complete(
    body: CompletionRequest,
    request: Request,
    response: Response,
    kernel: CallersKernel,
    caller: KnownCaller,
    idempotency_key: IdempotencyKey = None,
    wait: Annotated[
        float, Query(ge=0, le=300, description="seconds to wait until the instance is settled; 0: do not wait")
    ] = 0,
) -> Completion:
    """Start a process instance (`process_instance_id` is `new`) or submit a person's task in a running one.

    `form_values` are variables of the new instance, or the output of the task. They may be {field: value} or
    {form_id: {field: value}}: where every value is an object, the fields of all forms are taken side by side.

    With `wait`, the answer is held until the instance has ended, is in ERROR, or waits for people alone (200), or the
    seconds are over (202). A request that is sent again under its Idempotency-Key shows how the instance stands by
    then.
    """
    asked = body.input
    check_tenant(asked, caller)
    key_print = fingerprint("complete", body) if idempotency_key else None
    if asked.process_instance_id == NEW:
        deed = await _start(kernel, caller, asked, idempotency_key, key_print)
    else:
        task_id = await choose_task(kernel, asked)
        deed = await advance.submit(kernel, task_id, fields_of(asked), idempotency_key, key_print)
    mark_replayed(response, deed.replayed)
    assert deed.proc_inst_id is not None, "choose_task takes tasks of an instance only"
    standing = await _stand(kernel, request, deed.proc_inst_id, wait)
    if wait and standing.is_settled:
        response.status_code = 200
    return _answer(asked, standing, await _shown_task(kernel, deed, asked, standing))


async def _start(
    kernel: Kernel, caller: Caller, asked: CompletionInput, key: str | None, key_print: str | None
) -> Started:
    definition_id = check_start(asked)
    initiator = choose_initiator(caller, asked.email, "input.email")
    variables = with_initiator(fields_of(asked), initiator, "input.form_values")
    return await advance.start(kernel, definition_id, variables, initiator, asked.version, key, key_print)


async def _stand(kernel: Kernel, request: Request, instance_id: UUID, wait: float) -> Standing:
    if not wait:
        return await read_standing(kernel, instance_id)
    return await settle(kernel, instance_id, wait, services_of(request.scope).stopping, request.is_disconnected)


async def _shown_task(
    kernel: Kernel, deed: Started | Submitted, asked: CompletionInput, standing: Standing
) -> Task | None:
    if isinstance(deed, Submitted):
        return await kernel.get_task(deed.task_id)
    meant = [task for task in standing.open_tasks if asked.activity_id in {None, task.activity_id}]
    return next(iter(meant or standing.open_tasks), None)


def _answer(asked: CompletionInput, standing: Standing, task: Task | None) -> Completion:
    instance = standing.instance
    return Completion(
        process_instance_id=instance.id,
        process_definition_id=instance.process_definition_id,
        version=instance.process_definition_version,
        status=instance.status,
        error=instance.error,
        variables=instance.variables,
        task=task,
        tasks=standing.open_tasks,
        unused=unused_fields(asked),
        links=InstanceLinks.of(instance.id),
    )
