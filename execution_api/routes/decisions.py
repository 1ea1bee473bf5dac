"""/decisions: deploy DMN files, read them back, and try a decision."""

import difflib
from typing import Annotated

from fastapi import Path, Request, Response

from execution_api.access.auth import CallersKernel
from execution_api.bodies.paging import AfterName, Limit, page
from execution_api.bodies.rows import DecisionDetail, DecisionMade, DecisionRequest, Items, Page
from execution_api.examples.files import DMN
from execution_api.requests.problems import ApiProblem
from execution_api.requests.xml_body import XML, read_xml_file, xml_body
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.errors import NotFound
from kernel.functions import Kernel
from kernel.models import Decision, DecisionSummary
from process_engine.committing import deployment
from process_engine.decisions.evaluation import evaluate
from process_engine.values.errors import ExpressionError

router = room("Decisions", "/decisions")

DecisionId = Annotated[str, Path(min_length=1, max_length=255, description="id of the DMN decision element")]

_MOST_NAMED = 100
_DEPLOY_ANSWERS = {
    201: {"description": "At least one new version."},
    200: {
        "model": Items[DecisionSummary],
        "description": "The newest versions are of this file: nothing was added.",
    },
    **errors(413, 415),
}
_XML_ANSWER = {200: {"description": "The DMN file.", "content": {"application/xml": {"schema": {"type": "string"}}}}}


@router.post(
    "",
    status_code=201,
    summary="Deploy decisions",
    responses=_DEPLOY_ANSWERS,
    openapi_extra=xml_body("DMN 1.3", DMN),
)
async def deploy_decisions(request: Request, response: Response, kernel: CallersKernel) -> Items[DecisionSummary]:
    """Check a DMN file and add a version of every decision in it, all or none.

    Business rule tasks that name a decision by its id ask its newest version from now on.
    """
    deployed = await deployment.deploy_decisions(kernel, await read_xml_file(request, "DMN"))
    if not any(decision.is_new for decision in deployed):
        response.status_code = 200
    return Items(items=deployed)


@router.get("", summary="List decisions", responses=errors())
async def list_decisions(kernel: CallersKernel, after: AfterName = None, limit: Limit = 50) -> Page[DecisionSummary]:
    """The newest version of each decision, by id."""
    found = await kernel.find_decisions(after=after, limit=limit)
    return page("/decisions", found, limit, "id", cursor="after")


@router.get("/{decision_id}", summary="Look into a decision", responses=errors(404))
async def get_decision(decision_id: DecisionId, kernel: CallersKernel) -> DecisionDetail:
    """The newest version of a decision and the list of all of them."""
    versions = await kernel.find_decisions(decision_id)
    if not versions:
        raise await _unknown(kernel, decision_id, None)
    newest = versions[0]
    return DecisionDetail(id=newest.id, name=newest.name, version=newest.version, versions=versions)


@router.get(
    "/{decision_id}/xml",
    summary="The newest DMN file",
    response_class=Response,
    responses={**_XML_ANSWER, **errors(404)},
)
async def get_decision_xml(decision_id: DecisionId, kernel: CallersKernel) -> Response:
    """The DMN file of the newest version."""
    return Response((await _read(kernel, decision_id, None)).dmn, media_type=XML[0])


@router.post("/{decision_id}/evaluate", summary="Try a decision", responses=errors(404, 413))
async def evaluate_decision(decision_id: DecisionId, body: DecisionRequest, kernel: CallersKernel) -> DecisionMade:
    """Make a decision over the variables of the request, as a business rule task would. Nothing is written."""
    decision = await _read(kernel, decision_id, body.version)
    try:
        output = evaluate(decision.spec, body.variables)
    except ExpressionError as error:
        detail, remedy = f"The decision cannot be made: {error}", "Give the variables that it needs, or correct it."
        raise ApiProblem(422, "decision_failed", detail, field="variables", remedy=remedy) from error
    return DecisionMade(id=decision.id, version=decision.version, output=output)


async def _read(kernel: Kernel, decision_id: str, version: int | None) -> Decision:
    found = await kernel.get_decision(decision_id, version)
    if found is None:
        raise await _unknown(kernel, decision_id, version)
    return found


async def _unknown(kernel: Kernel, decision_id: str, version: int | None) -> NotFound:
    versions = sorted(found.version for found in await kernel.find_decisions(decision_id, limit=_MOST_NAMED))
    if versions:
        detail = f'Decision "{decision_id}" has no version {version}.'
        return NotFound(detail, "version_unknown", f"It has {', '.join(map(str, versions))}.")
    known = [found.id for found in await kernel.find_decisions()]
    near = difflib.get_close_matches(decision_id, known, n=3, cutoff=0.4)
    remedy = f"Did you mean {', '.join(near)}?" if near else "GET /decisions lists them."
    return NotFound(f'There is no decision "{decision_id}".', "decision_unknown", remedy)
