"""Small HTTP servers within the pod's event loop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp


class _SaidAlready(logging.Filter):
    """Drops uvicorn's line about an answer that was begun and not ended: who broke it off has said why."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != "ASGI callable returned without completing response."


_SAID_ALREADY = _SaidAlready()
_ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # named here only to give others an address that leads somewhere


class LoopServer:
    """Serves `app` on host and port (0: any) within the running loop. Use as `async with`; `url` is where it is."""

    def __init__(self, app: ASGIApp, host: str, port: int):
        self._socket = socket.create_server((host, port), backlog=128)
        # asyncio leaves it out for a socket like this one, and then an answer in two writes takes 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{socket.gethostname() if host in _ANY_ADDRESS else host}:{port}"
        logging.getLogger("uvicorn.error").addFilter(_SAID_ALREADY)
        self._server = _NoSignals(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
        )

    async def __aenter__(self) -> "LoopServer":
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._task
        self._socket.close()


class _NoSignals(uvicorn.Server):
    # The pod has signal handlers of its own: a SIGTERM drains, it does not close the endpoints of the task at hand.
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        yield
