"""Moving a token by hand: what runs where it was is withdrawn, and a token is put at another element of the same scope.

It is refused where the engine could not say afterwards what the process means: between scopes, in repetitions, ad-hoc
sub-processes and compensation, and where a join would then wait for ever or fire twice.
"""

from dataclasses import dataclass
from typing import NoReturn, cast

from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.ad_hoc import AdHocSubProcess
from process_engine.elements.compensation import ThrowCompensation
from process_engine.elements.events import EventSubProcess, live
from process_engine.elements.gateways import CAME_FROM, Joining
from process_engine.elements.nodes import Node, ScopeSpec, node_id, spec_name
from process_engine.elements.repeating import Repeated
from process_engine.elements.undo import UNDOES
from process_engine.elements.withdrawal import withdraw
from process_engine.running.joins import branch_into, check_joins
from process_engine.running.stepping import PROCESS, Step, plain, resume, run_on
from process_engine.running.tokens import scopes
from process_engine.values.errors import RepairRefused
from process_engine.values.library import Library
from process_engine.values.plain_json import Json
from process_engine.values.scoped import assign, container_of


@dataclass(frozen=True)
class Moved:
    """A moved token. `token_id`: the one that was withdrawn; `came_from`: the element it was at."""

    step: Step
    token_id: str
    came_from: str


def move(
    spec: dict[str, Json],
    state: dict[str, Json],
    source: str,
    target: str,
    variables: dict[str, Json],
    library: Library | None = None,
) -> Moved:
    """Withdraw a token with everything inside it, and put one at another element.

    Args:
        spec: the spec the instance was started with.
        state: the state of the last step; not changed.
        source: the id of the token, or of the element that it is at.
        target: the id of an element of the same process or sub-process.
        variables: set before, where the token would set them; its own, which end with it, are not looked at.
        library: the processes it calls and decisions it asks.

    Raises:
        NotAtHand: one of them is not in the library.
        RepairRefused: see the module.
        StepFailed: as in `steps.complete`.
    """
    workflow, picture = resume(spec, state, library)
    task = _source(workflow, source)
    scope = cast(BpmnBaseWorkflow, task.workflow)
    there = _target(workflow, scope, target)
    branch = branch_into(there, task) if isinstance(there, Joining) else None
    check_joins(scope, task, there, branch)
    assign(task, plain(PROCESS, "variables", variables), outside=True)
    withdraw(task)
    token = Task(scope, there, scope.task_tree, TaskState.FUTURE)
    if branch is not None:
        token.internal_data[CAME_FROM] = branch
    there._update(token)
    return Moved(run_on(state, workflow, picture), str(task.id), str(node_id(task.task_spec)))


def _source(workflow: BpmnWorkflow, source: str) -> Task:
    tokens = [task for scope in scopes(workflow) for task in live(cast(BpmnBaseWorkflow, scope))]
    found = [task for task in tokens if source == str(task.id)]
    if not found:  # the instances of a repeated activity have its id, too: the activity is meant as a whole
        found = [task for task in tokens if source == node_id(task.task_spec) and _repeated_in(task) is None]
    if not found:
        at = sorted({str(node_id(task.task_spec)) for task in tokens if node_id(task.task_spec)})
        remedy = f"Tokens are at {', '.join(at)}." if at else "Nothing of it runs any more."
        raise RepairRefused("token_unknown", f"No token is at {source!r}.", remedy)
    if len(found) > 1:
        ids = ", ".join(str(task.id) for task in found)
        raise RepairRefused("token_ambiguous", f"{len(found)} tokens are at {source!r}.", f"Name one of them: {ids}.")
    _check_source(found[0])
    return found[0]


def _check_source(task: Task) -> None:
    at = node_id(task.task_spec)
    repeated = _repeated_in(task)
    if repeated is not None:
        _refuse("repeated", f"{at!r} is one of several instances of {repeated!r}", f"Move {repeated!r} as a whole.")
    if isinstance(task.task_spec, EventSubProcess):
        _refuse("event_sub_process", f"{at!r} is an event sub-process", "Move what is inside, or let it end.")
    place: Task | None = task
    while place is not None:
        spec = place.task_spec
        if isinstance(spec, ThrowCompensation) or UNDOES in place.internal_data or Node.is_reopened(place):
            _refuse("compensation", f"{node_id(spec)!r} undoes something just now", "Wait until that is done.")
        place = container_of(place)
    container = container_of(task)
    if container is not None and isinstance(container.task_spec, AdHocSubProcess):
        inside = node_id(container.task_spec)
        _refuse("ad_hoc", f"{at!r} is in the ad-hoc sub-process {inside!r}", f"Move {inside!r} as a whole.")


def _repeated_in(task: Task) -> str | None:
    container = container_of(task)
    return node_id(container.task_spec) if container is not None and isinstance(container.task_spec, Repeated) else None


def _target(workflow: BpmnWorkflow, scope: BpmnBaseWorkflow, target: str) -> Node:
    spec = scope.spec.task_specs.get(spec_name(target))
    if spec is None:
        specs = [cast(ScopeSpec, workflow.spec), *cast(list[ScopeSpec], list(workflow.subprocess_specs.values()))]
        if any(spec_name(target) in other.task_specs for other in specs):
            where = f"{target!r} is in another process or sub-process than the token, which is in {scope.spec.name!r}"
            _refuse("other_scope", where, "Move the token of the sub-process as a whole, or within its own.")
        known = ", ".join(sorted(filter(None, (node_id(one) for one in scope.spec.task_specs.values()))))
        raise RepairRefused(
            "target_unknown", f"There is no element {target!r} in {scope.spec.name!r}.", f"It has {known}."
        )
    if not any(node_id(source) for source in spec.inputs):
        what = "no sequence flow leads to it (a start, boundary or event sub-process, or what compensates)"
        _refuse("target_not_entered", f"{target!r} cannot be entered: {what}", "Name an element that a flow leads to.")
    return cast(Node, spec)


def _refuse(word: str, why: str, remedy: str) -> NoReturn:
    raise RepairRefused(word, f"The token cannot be moved: {why}.", remedy)
