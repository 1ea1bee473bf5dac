"""Runs an ASGI application on a free loopback port in a thread, for as long as a `with` block lasts."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

_MOST_SECONDS_TO_END = 60


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve `app` and yield its base URL, such as `http://127.0.0.1:40123`."""
    with socket.socket() as listener:
        # Listening before the thread starts: a client that comes early waits in the backlog.
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        # A child that is kept warm may hold a connection longer than the server is wanted.
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(_MOST_SECONDS_TO_END)
            assert not thread.is_alive(), f"the server did not end within {_MOST_SECONDS_TO_END} s"
