"""/process-definitions: deploy BPMN files and read them back."""

import difflib
from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Query, Request, Response

from execution_api.access.auth import CallersKernel
from execution_api.bodies.paging import AfterName, Limit, page
from execution_api.bodies.rows import LARGEST_VERSION, DefinitionDetail, DefinitionId, Page, RollbackRequest
from execution_api.examples.files import BPMN
from execution_api.requests.xml_body import XML, read_xml_file, xml_body
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.errors import NotFound
from kernel.functions import Kernel
from kernel.models import Definition, DefinitionSummary
from process_engine.committing import deployment

router = room("Process definitions", "/process-definitions")

BeforeVersion = Annotated[int | None, Query(ge=1, le=LARGEST_VERSION, description="last version of the page before")]
PathVersion = Annotated[int, Path(ge=1, le=LARGEST_VERSION)]

_MOST_NAMED = 100
_DEPLOY_ANSWERS = {
    201: {"description": "A new version."},
    200: {"model": DefinitionSummary, "description": "The newest version has the same BPMN: nothing was added."},
    **errors(413, 415),
}
_ROLLBACK_ANSWERS = {
    201: {"description": "A new version."},
    200: {"model": DefinitionSummary, "description": "It is the newest version: nothing was added."},
    **errors(404, 413),
}
_XML_ANSWER = {200: {"description": "The BPMN file.", "content": {"application/xml": {"schema": {"type": "string"}}}}}


@router.post(
    "",
    status_code=201,
    summary="Deploy a definition",
    responses=_DEPLOY_ANSWERS,
    openapi_extra=xml_body("BPMN 2.0", BPMN),
)
async def deploy_definition(
    request: Request,
    response: Response,
    kernel: CallersKernel,
    process: Annotated[
        str | None, Query(min_length=1, max_length=255, description="which process of the file; none: the one that is")
    ] = None,
) -> DefinitionSummary:
    """Check a BPMN file and add it as the next version of its process.

    Running instances stay on the version they began with. A file that cannot be run is refused with everything that
    is wrong with it.
    """
    deployed = await deployment.deploy(kernel, await read_xml_file(request, "BPMN"), process)
    if not deployed.is_new:
        response.status_code = 200
    return deployed


@router.get("", summary="List definitions", responses=errors())
async def list_definitions(
    kernel: CallersKernel,
    q: Annotated[str | None, Query(max_length=255, description="part of the id or the name")] = None,
    after: AfterName = None,
    limit: Limit = 50,
) -> Page[DefinitionSummary]:
    """The newest version of each process definition, by id."""
    found = await kernel.find_definitions(after=after, text=q, limit=limit)
    return page("/process-definitions", found, limit, "id", cursor="after", q=q)


@router.get("/{definition_id}", summary="Look into a definition", responses=errors(404))
async def get_definition(definition_id: DefinitionId, kernel: CallersKernel) -> DefinitionDetail:
    """The newest version of a process definition and the list of all of them."""
    versions = await kernel.find_definitions(definition_id)
    if not versions:
        raise await _unknown(kernel, definition_id, None)
    newest = versions[0]
    return DefinitionDetail(id=newest.id, name=newest.name, version=newest.version, versions=versions)


@router.get("/{definition_id}/versions", summary="List versions", responses=errors(404))
async def list_versions(
    definition_id: DefinitionId, kernel: CallersKernel, before: BeforeVersion = None, limit: Limit = 50
) -> Page[DefinitionSummary]:
    """The versions of a process definition, newest first."""
    found = await kernel.find_definitions(definition_id, before=before, limit=limit)
    if not found and before is None:
        raise await _unknown(kernel, definition_id, None)
    return page(f"/process-definitions/{quote(definition_id, safe='')}/versions", found, limit, "version")


@router.post(
    "/{definition_id}/rollback", status_code=201, summary="Go back to an old version", responses=_ROLLBACK_ANSWERS
)
async def roll_back(
    definition_id: DefinitionId, body: RollbackRequest, response: Response, kernel: CallersKernel
) -> DefinitionSummary:
    """Deploy the BPMN file of an old version as a new version: what starts from now on runs as it did then.

    No version is ever changed or taken away, and running instances stay on the version they began with.
    """
    old = await _read(kernel, definition_id, body.version)
    deployed = await deployment.deploy(kernel, old.bpmn.encode(), definition_id)
    if not deployed.is_new:
        response.status_code = 200
    return deployed


@router.get("/{definition_id}/versions/{version}", summary="Look into a version", responses=errors(404))
async def get_version(definition_id: DefinitionId, version: PathVersion, kernel: CallersKernel) -> DefinitionSummary:
    """One version of a process definition."""
    found = await _read(kernel, definition_id, version)
    return DefinitionSummary.model_validate(found.model_dump())


@router.get(
    "/{definition_id}/xml",
    summary="The newest BPMN file",
    response_class=Response,
    responses={**_XML_ANSWER, **errors(404)},
)
async def get_xml(definition_id: DefinitionId, kernel: CallersKernel) -> Response:
    """The BPMN file of the newest version."""
    return Response((await _read(kernel, definition_id, None)).bpmn, media_type=XML[0])


@router.get(
    "/{definition_id}/versions/{version}/xml",
    summary="The BPMN file of a version",
    response_class=Response,
    responses={**_XML_ANSWER, **errors(404)},
)
async def get_version_xml(definition_id: DefinitionId, version: PathVersion, kernel: CallersKernel) -> Response:
    """The BPMN file of one version."""
    return Response((await _read(kernel, definition_id, version)).bpmn, media_type=XML[0])


async def _read(kernel: Kernel, definition_id: str, version: int | None) -> Definition:
    found = await kernel.get_definition(definition_id, version)
    if found is None:
        raise await _unknown(kernel, definition_id, version)
    return found


async def _unknown(kernel: Kernel, definition_id: str, version: int | None) -> NotFound:
    versions = [d.version for d in await kernel.find_definitions(definition_id, limit=_MOST_NAMED)]
    if versions:
        detail = f'Process definition "{definition_id}" has no version {version}.'
        return NotFound(detail, "version_unknown", f"It has {', '.join(map(str, sorted(versions)))}.")
    known = await kernel.find_definitions()
    near = difflib.get_close_matches(definition_id, sorted({d.id for d in known}), n=3, cutoff=0.4)
    remedy = f"Did you mean {', '.join(near)}?" if near else "GET /process-definitions lists them."
    return NotFound(f'There is no process definition "{definition_id}".', "definition_unknown", remedy)
