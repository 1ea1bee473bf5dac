"""Asks an overloaded or unreachable model endpoint again, for a while, so that a framework does not lose its run.

A framework that gets an error gives the run up, and its process with it; a moment's wait here is cheaper. What does not
pass in time goes back as it came, marked so that OpenAI's client does not wait a second time (x-should-retry); the task
is put off then, and its pod takes other work.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from agent_pod.metrics import PodMetrics
from agent_pod.run.call_failures import CallFailure, failure_of, unreachable
from agent_pod.run.lease_check import directly_before_writing

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
_JSON = {"Content-Type": "application/json"}
_LOST_ON_THE_WAY = (httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError)


class Patience:
    """Waits at most `seconds` for one call; 0: not at all."""

    def __init__(self, seconds: float, metrics: PodMetrics):
        self.seconds = seconds
        self._metrics = metrics

    async def send(
        self,
        upstream: httpx.AsyncClient,
        url: httpx.URL,
        body: bytes,
        stream: bool,
        ended: asyncio.Event,
        check: Callable[[], Awaitable[None]],
    ) -> httpx.Response:
        """POST `body` (JSON) to `url` until the answer is no passing failure, or patience or the run (`ended`) is over.

        Returns the last answer; where it is an error, it has been read. Raises httpx.HTTPError where there was none,
        and what `check` raises, which is awaited directly before each request is written.
        """
        give_up_at = time.monotonic() + self.seconds
        pause = _FIRST_PAUSE_SECONDS
        extensions = {"trace": directly_before_writing(check)}
        while True:
            answer, lost = None, None
            try:
                request = upstream.build_request("POST", url, content=body, headers=_JSON, extensions=extensions)
                answer = await upstream.send(request, stream=stream)
                if answer.is_success:
                    return answer
                await answer.aread()
                failure = failure_of(answer.status_code, answer.headers, body_of(answer.content))
            except _LOST_ON_THE_WAY as error:
                lost, failure = error, unreachable(error)
            again = _again_at(failure, pause)
            if not failure.may_pass or again > give_up_at or await _is_over(ended, again):
                if answer is None:
                    assert lost is not None
                    raise lost
                return answer
            self._metrics.model_retries.labels(failure.error_class).inc()
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def body_of(content: bytes) -> Any:
    """The JSON of an answer, or {text} with its beginning."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return {"text": content.decode("utf-8", "replace")[:100_000]}


def _again_at(failure: CallFailure, pause: float) -> float:
    soonest = time.monotonic() + pause * random.uniform(0.75, 1.25)  # noqa: S311  # jitter, not a secret
    return max(soonest, failure.retry_at or 0)


async def _is_over(ended: asyncio.Event, until: float) -> bool:
    try:
        await asyncio.wait_for(ended.wait(), until - time.monotonic())
    except TimeoutError:
        return False
    return True
