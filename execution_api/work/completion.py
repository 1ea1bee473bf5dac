"""How /complete reads its body: whose form fields are which variables, and which task is meant."""

from typing import Any
from uuid import UUID

from execution_api.access.auth import Caller
from execution_api.bodies.completion import NEW, UNUSED_FIELDS, CompletionInput
from execution_api.requests.problems import ApiProblem
from kernel.errors import NotFound
from kernel.functions import Kernel
from kernel.models import Instance, Json, Task, TaskStatus


def check_tenant(asked: CompletionInput, caller: Caller) -> None:
    """Raise ApiProblem 403 where the body names another tenant than the credentials."""
    if asked.tenant_id is not None and asked.tenant_id != caller.tenant_id:
        raise ApiProblem(
            403,
            "tenant_foreign",
            "The credentials belong to another tenant than the body names.",
            field="input.tenant_id",
            value=asked.tenant_id,
            remedy="Leave it out, or use that tenant's credentials.",
        )


def check_start(asked: CompletionInput) -> str:
    """The definition to start. Raises ApiProblem 422 where it is missing or a task to submit is named as well."""
    if asked.process_definition_id is None:
        raise _invalid("process_definition_id", None, 'is required with process_instance_id "new"', "Name it.")
    if asked.task_id is not None:
        what = "cannot be submitted in an instance that is only being started"
        raise _invalid("task_id", str(asked.task_id), what, "Leave it out, or name the task's instance.")
    return asked.process_definition_id


def fields_of(asked: CompletionInput) -> Json:
    """`form_values`, flattened where they are by form, and `variables` as one dict.

    Raises ApiProblem 422 where two of them give one field different values.
    """
    values = asked.form_values or {}
    by_form = bool(values) and all(isinstance(value, dict) for value in values.values())
    fields: Json = {}
    for source in [*(values.values() if by_form else [values]), asked.variables or {}]:
        for name, value in source.items():
            if name in fields and fields[name] != value:
                raise _invalid(f"form_values.{name}", value, "is given twice with different values", "Give it once.")
            fields[name] = value
    return fields


def unused_fields(asked: CompletionInput) -> list[str]:
    """The fields of the request that were accepted and not used."""
    unused = UNUSED_FIELDS if asked.process_instance_id == NEW else (*UNUSED_FIELDS, "email", "version")
    return [name for name in unused if name in asked.model_fields_set]


async def choose_task(kernel: Kernel, asked: CompletionInput) -> UUID:
    """The task of a running instance to submit: task_id, or the open one of activity_id.

    Where the activity has tasks but none is open, it is the newest: submitting it gives the answer to a replayed
    Idempotency-Key, or 409 with what became of it. Raises NotFound where instance, task or activity is not there, and
    ApiProblem where the request does not fit the instance.
    """
    instance_id = UUID(asked.process_instance_id)
    instance = await kernel.require_instance(instance_id)
    _check_definition(asked, instance)
    if asked.task_id is not None:
        task = await kernel.get_task(asked.task_id)
        if task is None or task.proc_inst_id != instance_id:
            raise NotFound(f"There is no task {asked.task_id} in process instance {instance_id}.", "task_unknown")
        return task.task_id
    waiting = await kernel.find_tasks(instance_id, TaskStatus.TODO, limit=500)
    if asked.activity_id is None:
        what, remedy = "or input.task_id must say which task is submitted", _open_activities(waiting)
        raise _invalid("activity_id", None, what, remedy)
    return await _task_of_activity(kernel, instance_id, asked.activity_id, waiting)


async def _task_of_activity(kernel: Kernel, instance_id: UUID, activity_id: str, waiting: list[Task]) -> UUID:
    meant = [task for task in waiting if task.activity_id == activity_id]
    if len(meant) > 1:
        ids = ", ".join(str(task.task_id) for task in meant)
        detail = f'Activity "{activity_id}" has {len(meant)} open tasks.'
        raise ApiProblem(409, "activity_ambiguous", detail, field="input.task_id", remedy=f"Name one of them: {ids}.")
    if not meant:
        newest_first = await kernel.find_tasks(instance_id, limit=500)
        meant = [task for task in newest_first if task.activity_id == activity_id]
    if not meant:
        raise NotFound(
            f'Activity "{activity_id}" has no task in process instance {instance_id}.',
            "activity_unknown",
            _open_activities(waiting),
        )
    return meant[0].task_id


def _check_definition(asked: CompletionInput, instance: Instance) -> None:
    named = asked.process_definition_id
    if named is not None and named != instance.process_definition_id:
        what = f'is not the definition of this process instance: that is "{instance.process_definition_id}"'
        raise _invalid("process_definition_id", named, what, "Leave it out, or name the right instance.")


def _open_activities(waiting: list[Task]) -> str:
    names = sorted({task.activity_id for task in waiting})
    return f"Waiting for a person: {', '.join(names)}." if names else "No task of it waits for a person."


def _invalid(name: str, value: Any, what: str, remedy: str) -> ApiProblem:
    field = f"input.{name}"
    return ApiProblem(422, "request_invalid", f"{field} {what}.", field=field, value=value, remedy=remedy)
