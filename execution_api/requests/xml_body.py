"""A request whose body is one XML file: sent as it is, or as the part `file` of a form."""

from email.message import Message
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile

from execution_api.requests.problems import ApiProblem

XML = ("application/xml", "text/xml")
_FORM = "multipart/form-data"


def xml_body(what: str, example: str) -> dict[str, Any]:
    """How the OpenAPI document describes the body; `what` is the kind of file: "BPMN 2.0"."""
    as_part = {"type": "string", "contentMediaType": "application/xml"}
    in_form = {"type": "object", "required": ["file"], "properties": {"file": as_part}}
    content: dict[str, Any] = {kind: {"schema": {"type": "string"}, "example": example} for kind in XML}
    content[_FORM] = {"schema": in_form, "example": {"file": example}}
    return {"requestBody": {"required": True, "description": f"A {what} file.", "content": content}}


async def read_xml_file(request: Request, what: str) -> bytes:
    """The file of a request. Raises ApiProblem 415 for another media type, 422 for a form without the file."""
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    kind = header.get_content_type()
    if kind in XML:
        return await request.body()
    if kind != _FORM:
        remedy = f"Send {XML[0]}, or {_FORM} with the part `file`."
        detail = f'A {what} file cannot have the media type "{kind}".'
        raise ApiProblem(415, "media_type", detail, field="Content-Type", value=kind, remedy=remedy)
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            detail = f"file is missing: the {what} file must be the part `file`."
            raise ApiProblem(422, "request_invalid", detail, field="file", remedy="Send it as a file of that name.")
        return await file.read()
