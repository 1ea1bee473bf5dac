"""What answers of model endpoints mean: their error class, and when to ask again."""

import time
from typing import Any

import httpx
import pytest

from agent_pod.run.answer import Failed
from agent_pod.run.blame import Troubles
from agent_pod.run.call_failures import CallFailure, failure_in, failure_of, unreachable
from kernel.error_classes import ErrorClass

OVERLOADED = CallFailure(ErrorClass.MODEL_OVERLOADED, "the model endpoint answered HTTP 429")
TOOL = CallFailure(ErrorClass.TOOL_FAILED, "search_documents")


def problem(code: str | None, kind: str = "invalid_request_error") -> Any:
    return {"error": {"message": "Said  so.", "type": kind, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "error_class"),
    [
        (429, problem("rate_limit_exceeded"), "model_overloaded"),
        (503, {"text": "<html>"}, "model_overloaded"),
        (529, problem(None, "overloaded_error"), "model_overloaded"),
        (429, problem("insufficient_quota"), "model_auth"),
        (429, problem(None, "insufficient_quota"), "model_auth"),
        (401, problem("invalid_api_key"), "model_auth"),
        (402, None, "model_auth"),
        (403, [], "model_auth"),
        (400, problem("context_length_exceeded"), "input_refused"),
        (400, problem("content_filter"), "model_refused"),
        (404, problem("model_not_found"), "input_refused"),
        (413, "too large", "input_refused"),
        (422, {"error": "bad"}, "input_refused"),
        (408, None, "model_unavailable"),
        (500, problem(None, "server_error"), "model_unavailable"),
        (502, {"text": "bad gateway"}, "model_unavailable"),
        (504, None, "model_unavailable"),
        (301, None, "model_unavailable"),
    ],
)
def test_a_status_has_a_class(status: int, body: Any, error_class: str) -> None:
    failure = failure_of(status, httpx.Headers(), body)
    assert failure.error_class == error_class and failure.retry_at is None
    assert failure.reason.startswith(f"the model endpoint answered HTTP {status}")
    assert "  " not in failure.reason and len(failure.reason) < 400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "30"}, 1.5),
        ({"retry-after": "Fri, 20 Nov 2026 09:31:00 GMT", "date": "Fri, 20 Nov 2026 09:30:00 GMT"}, 60),
        ({"retry-after": "Fri, 20 Nov 2020 09:31:00 GMT"}, 0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_named_time_is_read_in_seconds_and_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    before = time.monotonic()
    found = failure_of(429, httpx.Headers(headers), None).retry_at
    assert (found is None) == (seconds is None)
    assert found is None or seconds is None or before + seconds <= found <= time.monotonic() + seconds


@pytest.mark.parametrize(
    ("answer", "error_class"),
    [
        ({"choices": [{"finish_reason": "stop", "message": {"content": "yes"}}]}, None),
        ({"choices": [{"finish_reason": "content_filter", "message": {"content": ""}}]}, "model_refused"),
        ({"choices": [{"finish_reason": "stop", "message": {"refusal": "I will not."}}]}, "model_refused"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "model_refused"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, None),
        ({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}}, "model_overloaded"),
        ({"status": "failed", "error": {"code": "server_error", "message": "m"}}, "model_unavailable"),
        ({"choices": None, "data": [{}]}, None),
        ({"choices": ["odd"]}, None),
        ("text", None),
    ],
)
def test_an_answer_that_came_may_still_be_a_failure(answer: Any, error_class: str | None) -> None:
    failure = failure_in(answer, finished=True)
    assert (failure.error_class if failure else None) == error_class


def test_a_stream_that_broke_off_and_an_endpoint_that_is_away_are_unavailable() -> None:
    broken, away = failure_in({}, finished=False), unreachable(httpx.ConnectError("no"))
    assert broken and (broken.error_class, away.error_class) == ("model_unavailable",) * 2


def failed(error_class: ErrorClass = ErrorClass.ORCHESTRATOR_FAILED, retryable: bool = True) -> Failed:
    return Failed(error_class, "it fell", retryable)


def test_the_failed_call_says_more_than_the_orchestrator() -> None:
    troubles = Troubles()
    troubles.note(0, OVERLOADED)
    for said in (failed(), failed(ErrorClass.ORCHESTRATOR_CRASHED), failed(ErrorClass.INPUT_REFUSED, retryable=False)):
        explained = troubles.explain(said)
        assert (explained.error_class, explained.retryable) == ("model_overloaded", True)
        assert explained.reason == "the model endpoint answered HTTP 429. The orchestrator: it fell"


def test_a_call_that_went_well_later_clears_the_orchestrator_of_an_earlier_failure() -> None:
    troubles = Troubles()
    troubles.note(time.monotonic(), OVERLOADED)
    troubles.note(time.monotonic() - 60, None)
    assert troubles.last == OVERLOADED, "that call began before the failure"
    troubles.note(time.monotonic(), None)
    assert troubles.explain(failed()) == failed()


def test_a_tool_is_blamed_only_where_the_orchestrator_gives_no_class() -> None:
    troubles = Troubles()
    troubles.note(0, TOOL)
    assert troubles.explain(failed()).error_class == "tool_failed"
    for said in (failed(ErrorClass.OUTPUT_INVALID), failed(ErrorClass.INPUT_REFUSED, retryable=False)):
        assert troubles.explain(said) == said


def test_what_the_pod_saw_itself_stands_but_a_run_kept_waiting_by_an_overloaded_model_timed_out_for_that() -> None:
    troubles = Troubles()
    troubles.note(0, OVERLOADED)
    assert troubles.explain(failed(ErrorClass.OUT_OF_MEMORY)) == failed(ErrorClass.OUT_OF_MEMORY)
    assert troubles.explain(failed(ErrorClass.TIMED_OUT)).error_class == "model_overloaded"
    troubles.note(0, CallFailure(ErrorClass.INPUT_REFUSED, "the model endpoint answered HTTP 400"))
    assert troubles.explain(failed(ErrorClass.TIMED_OUT)) == failed(ErrorClass.TIMED_OUT)
