"""`python -m offline_model --host 127.0.0.1 --port N`: says where it is ready, serves, and ends quietly on SIGTERM."""

import argparse
import signal
import socket
import sys
from types import FrameType

import uvicorn

from offline_model.app import create_app


class _AnnouncedServer(uvicorn.Server):
    """A server that says where it is ready, once it is."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then write the one line a caller waits for."""
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        sys.stdout.write(f"offline model ready at http://{host}:{port}/v1\n")
        sys.stdout.flush()


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit with 2 when the address cannot be listened on."""
    parser = argparse.ArgumentParser(prog="offline_model", description="An extractive model behind OpenAI's API.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (0: a free one)")
    options = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _exit)
    try:
        listener = socket.create_server((options.host, options.port))
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on {options.host}:{options.port} ({error}); choose another --port (0: a free one)")
    config = uvicorn.Config(create_app(), log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    with listener:
        _AnnouncedServer(config).run(sockets=[listener])


def _exit(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
