"""Every error of the API in one shape: application/problem+json (RFC 9457).

Whatever goes wrong becomes an `ApiProblem` in `problem_of`; `ProblemAnswers` sends it. The word after the last colon
of `type` is for programs (`task_closed`), `detail` and `remedy` are for people.
"""

import json
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from fastapi.exceptions import HTTPException, RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel.errors import DatabaseUnavailable, Refused, TooMany
from knowledge.embed import EmbeddingFailed
from knowledge.source_text import DocumentUnreadable
from process_engine.values.errors import DefinitionInvalid, EngineError, FormRejected, RepairRefused, StepFailed

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:process-fleet:problem:"
_RETRY_AFTER_SECONDS = "5"
_LONGEST_VALUE = 200
_NOT_SHOWN = {"headers", "url"}  # fields that may hold credentials, as may an object that another field is missing in
_log = logging.getLogger("execution_api")


class Fault(BaseModel):
    """One of several things that are wrong with a request."""

    message: str = Field(description="what is wrong")
    field: str | None = Field(default=None, description="which part of the request")
    value: Any = Field(default=None, description="what it held; left out where it is long, an object or secret")
    element_id: str | None = Field(default=None, description="BPMN element at fault")
    line: int | None = Field(default=None, description="line of the BPMN file, from 1")


class Problem(BaseModel):
    """Why a request was refused or failed (RFC 9457)."""

    type: str = Field(description=f"`{TYPE_PREFIX}<word>`; the word is stable and meant for programs")
    title: str = Field(description="the HTTP status in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what is wrong with this request")
    instance: str = Field(description="path of the request")
    field: str | None = Field(default=None, description="which part of the request is wrong")
    value: Any = Field(default=None, description="what it held")
    remedy: str | None = Field(default=None, description="what to do about it")
    errors: list[Fault] | None = Field(default=None, description="everything that is wrong, where it may be several")
    incident: str | None = Field(default=None, description="id under which the operator finds this failure in the log")


class ApiProblem(HTTPException):
    """An error that is ready to be shown. `word` names its kind for programs.

    It is FastAPI's own kind of error, because FastAPI lets no other one through while it reads a body.
    """

    def __init__(
        self,
        status: int,
        word: str,
        detail: str,
        *,
        field: str | None = None,
        value: Any = None,
        remedy: str | None = None,
        errors: Sequence[Fault] | None = None,
        incident: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(status, detail, headers)
        self.word = word
        self.field, self.value, self.remedy = field, value, remedy
        self.errors, self.incident = errors, incident

    def response(self, path: str) -> Response:
        """The HTTP answer to a request for `path` (not percent-encoded)."""
        problem = Problem(
            type=TYPE_PREFIX + self.word,
            title=HTTPStatus(self.status_code).phrase,
            status=self.status_code,
            detail=self.detail,
            instance=quote(path),
            field=self.field,
            value=_shown(self.value),
            remedy=self.remedy or None,
            errors=list(self.errors) if self.errors else None,
            incident=self.incident,
        )
        return Response(problem.model_dump_json(exclude_none=True), self.status_code, self.headers, MEDIA_TYPE)


class ProblemAnswers:
    """ASGI: answers with a problem whatever the rest of the application raises."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def watch(message: Message) -> None:
            nonlocal answered
            answered = answered or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            if answered:
                raise
            await _answer(scope, error)(scope, receive, send)


async def answer_with_problem(request: Request, error: Exception) -> Response:
    """FastAPI's exception handler for the errors that it would answer in a shape of its own."""
    return _answer(request.scope, error)


def problem_word(scope: Scope) -> str | None:
    """The word of the problem that the request of `scope` was answered with; None where it was answered well."""
    return scope.get("state", {}).get("problem")


def _answer(scope: Scope, error: Exception) -> Response:
    problem = problem_of(error)
    scope.setdefault("state", {})["problem"] = problem.word
    return problem.response(scope["path"])


def problem_of(error: Exception) -> ApiProblem:
    """What the caller is told of `error`. An error that nobody foresaw is logged, and only its incident id is told."""
    match error:
        case ApiProblem():
            return error
        case RequestValidationError():
            return _invalid_request(error)
        case AnyHTTPException():
            return _http(error)
        case Refused():
            return _refused(error)
        case DatabaseUnavailable():
            _log.warning("the database is not available: %s", error)
            return ApiProblem(
                503,
                "database_unavailable",
                "The database is not available.",
                remedy="Try again later.",
                headers={"Retry-After": _RETRY_AFTER_SECONDS},
            )
        case _:
            return _of_the_floor_below(error) or _unforeseen(error)


def _of_the_floor_below(error: Exception) -> ApiProblem | None:
    match error:
        case DefinitionInvalid():
            faults = [Fault(message=p.message, element_id=p.element_id, line=p.line) for p in error.problems]
            detail = f"The process definition cannot be run: {faults[0].message}"
            return ApiProblem(422, "definition_invalid", detail, remedy="Correct what errors lists.", errors=faults)
        case FormRejected():
            return _form_rejected(error)
        case StepFailed():
            fault = Fault(message=error.message, element_id=error.element_id)
            remedy = "Give the variables that the process needs, or correct its definition."
            return ApiProblem(422, "step_failed", f"The process cannot go on: {error}", remedy=remedy, errors=[fault])
        case RepairRefused():
            return ApiProblem(409, error.word, str(error), remedy=error.remedy)
        case EngineError():
            return ApiProblem(422, "not_processable", str(error))
        case _:
            return _of_knowledge(error)


def _of_knowledge(error: Exception) -> ApiProblem | None:
    match error:
        case DocumentUnreadable():
            detail, remedy = f"{error.name}: {error.reason}.", f"{error.remedy}."
            return ApiProblem(422, "document_unreadable", detail, field="files", value=error.name, remedy=remedy)
        case EmbeddingFailed():
            _log.warning("the embedding model failed: %s", error)
            detail, remedy = (
                "The embedding model gave no answer.",
                "Try again later; the operator finds why in the log.",
            )
            return ApiProblem(502, "embedding_failed", detail, remedy=remedy)
        case _:
            return None


def _form_rejected(error: FormRejected) -> ApiProblem:
    faults = [Fault(message=what, field=f"output.{name}" if name else "output") for name, what in error.faults]
    detail = f"What was submitted does not fit the form: {error}"
    remedy = "Correct the fields that errors lists; the task's form is their JSON Schema."
    return ApiProblem(422, "form_invalid", detail, field=faults[0].field, remedy=remedy, errors=faults)


def _invalid_request(error: RequestValidationError) -> ApiProblem:
    faults = [_fault(e) for e in error.errors()]
    first = faults[0]
    return ApiProblem(
        422,
        "request_invalid",
        "; ".join(f"{fault.field}: {fault.message}" for fault in faults),
        field=first.field,
        value=first.value,
        remedy="Correct the fields that errors lists; /openapi.json describes them.",
        errors=faults,
    )


def _fault(error: dict[str, Any]) -> Fault:
    place, *names = error["loc"]
    name = ".".join(str(n) for n in names) or str(place)
    value = error.get("input")
    if place == "body" and isinstance(value, bytes):
        return Fault(field=name, message="the body is not JSON: send it with Content-Type: application/json")
    secret = isinstance(value, dict) or _NOT_SHOWN & set(names)
    return Fault(field=name, message=error["msg"], value=None if secret else _shown(value))


def _http(error: AnyHTTPException) -> ApiProblem:
    headers = dict(error.headers or {})
    match error.status_code:
        case 404:
            detail, remedy = "There is nothing at this address.", "GET /docs lists the addresses."
            return ApiProblem(404, "address_unknown", detail, remedy=remedy)
        case 405:
            remedy = f"Use {headers.get('Allow', 'another method')}."
            detail = "This address does not have this method."
            return ApiProblem(405, "method_not_allowed", detail, remedy=remedy, headers=headers)
        case 400:  # what FastAPI and Starlette say of a form that cannot be read
            return ApiProblem(422, "body_unreadable", f"The body cannot be read: {error.detail}", field="body")
        case status:
            return ApiProblem(status, "refused", str(error.detail), headers=headers)


def _refused(error: Refused) -> ApiProblem:
    if error.reason.isascii() and error.reason.replace("_", "").isalpha():
        wait = error.retry_after if isinstance(error, TooMany) else None
        headers = None if wait is None else {"Retry-After": str(wait)}
        return ApiProblem(error.http_status, error.reason, str(error), remedy=error.remedy, headers=headers)
    # A data exception or a constraint of PostgreSQL: its message names tables, which are nobody's business.
    _log.warning("the database refused a value: %s %s", error.reason, error)
    detail = f"A value of the request does not fit what is stored (SQLSTATE {error.reason or 'unknown'})."
    return ApiProblem(error.http_status, "value_refused", detail, remedy="Check the values and the ids of the request.")


def _unforeseen(error: Exception) -> ApiProblem:
    incident = uuid4().hex
    _log.error("unforeseen error", exc_info=error, extra={"fields": {"incident": incident}})
    remedy = "Tell the operator the incident id."
    return ApiProblem(500, "unforeseen", "Something went wrong on our side.", remedy=remedy, incident=incident)


def _shown(value: Any) -> Any:
    """`value` as it may stand in an answer; None where it is long or no JSON."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return value if len(text) <= _LONGEST_VALUE else None
