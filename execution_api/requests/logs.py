"""One line of JSON per log record on stderr, and one record per request.

A record holds the path but neither query, headers nor body: those may carry what is nobody's business.
"""

import json
import logging
import sys
import time
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from execution_api.requests.metrics import HttpMetrics, route_template
from execution_api.requests.problems import problem_word

QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_CLIENT_GONE = 499  # no answer was sent; the number that proxies log for it
_log = logging.getLogger("execution_api.access")


class JsonLines(logging.Formatter):
    """Formats a record as JSON; the dict `extra={"fields": {...}}` of a log call is merged into it."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its end."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logs(level: int = logging.INFO) -> None:
    """Send all records of the process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpx2", "spiff"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class Observation:
    """ASGI: counts every request, and logs it unless it is a probe."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics):
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = _CLIENT_GONE, time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.observe(scope, status, seconds)
            if scope["path"] not in QUIET_PATHS:
                _log_request(scope, status, seconds)


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    caller = scope.get("state", {}).get("caller")
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "route": route_template(scope),
        "status": status,
        "problem": problem_word(scope),
        "seconds": round(seconds, 4),
        "tenant": getattr(caller, "tenant_id", None),
        "actor": getattr(caller, "actor", None),
    }
    _log.info("request", extra={"fields": fields})
