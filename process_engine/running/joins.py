"""Whether the joins of a scope stay right when a token is moved by hand.

Each token can bring a token to some incoming flows of each join: those of the nodes that it can reach without passing
the join, or, where it waits there, the one that it came by. A join of a sound process gets one token per flow. So a
move is sound where the moved token serves the same flows as before; else no flow may be served twice by it, and none
may be left without a token that others wait for.
"""

from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.task import Task

from process_engine.elements.events import live
from process_engine.elements.gateways import CAME_FROM, Joining, ParallelGateway, reached_from
from process_engine.elements.nodes import Node, node_id
from process_engine.values.errors import RepairRefused


def branch_into(join: Joining, task: Task) -> str:
    """The incoming flow, by its source, that `task` serves at `join`: which one a token that is put there came by.

    Raises:
        RepairRefused: it serves none, or several.
    """
    served = sorted(_served(task, join) if len(join.inputs) > 1 else _inputs(join))
    if len(served) == 1:
        return served[0]
    inputs = ", ".join(sorted(_inputs(join)))
    which = "several branches" if served else "no branch"
    message = f"The token cannot be moved: it could come to the join {join.bpmn_id!r} by {which}."
    raise RepairRefused("join_branch", message, f"Move it to the element before the join: {inputs}.")


def check_joins(scope: BpmnBaseWorkflow, task: Task, target: Node, branch: str | None) -> None:
    """Raise RepairRefused where a join of `scope` would not stay right when `task` went to `target`.

    `branch`: where `target` is a join, the incoming flow that the token is to have come by.
    """
    others = [other for other in live(scope) if other is not task]
    for join in scope.spec.task_specs.values():
        if not isinstance(join, Joining) or len(join.inputs) < 2:
            continue
        before = _served(task, join)
        after = {branch} if join is target and branch else reached_from(target, join) & _inputs(join)
        theirs = [_served(other, join) for other in others]
        fault = _fault(join, before, {str(node) for node in after}, set().union(*theirs))
        if fault:
            remedy = "Move the tokens of the other branches first, or fork the instance where the branches began."
            raise RepairRefused("join", f"The token cannot be moved: the join {join.bpmn_id!r} {fault}.", remedy)


def _fault(join: Joining, before: set[str], after: set[str], others: set[str]) -> str | None:
    if before == after:
        return None
    twice = (after - before) & others
    if twice:
        return f"would get a second token from {', '.join(sorted(twice))}"
    if not isinstance(join, ParallelGateway):
        return (
            "would let through the tokens of the other branches once more" if before and not after and others else None
        )
    missing_before = _inputs(join) - before - others if before or others else set[str]()
    missing = _inputs(join) - after - others - missing_before
    if missing and (after or others):
        return f"would wait for a token from {', '.join(sorted(missing))}, which could not come any more"
    return None


def _served(task: Task, join: Joining) -> set[str]:
    if task.task_spec is join:
        return {task.internal_data[CAME_FROM]}
    return {str(node) for node in reached_from(task.task_spec, join) & _inputs(join)}


def _inputs(join: Joining) -> set[str]:
    return {str(node_id(source)) for source in join.inputs}
