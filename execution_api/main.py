"""Runs the execution API as a program."""

from contextlib import suppress
from types import FrameType

import uvicorn

from execution_api.app import create_app
from execution_api.requests.logs import configure_logs
from execution_api.settings import ApiSettings

_SECONDS_TO_END = 20
_COULD_NOT_START = 3  # as uvicorn's own command exits


def serve(settings: ApiSettings) -> None:
    """Answer requests at the address of `settings` until SIGINT or SIGTERM; then end those that are running.

    Logs go to stderr as JSON lines. Raises SystemExit where it cannot start.
    """
    configure_logs()
    config = uvicorn.Config(
        create_app(settings),
        host=settings.fleet_api_host,
        port=settings.fleet_api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
    server = _Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise SystemExit(_COULD_NOT_START)


class _Server(uvicorn.Server):
    """Tells requests that wait for an instance that the program ends, so that they answer instead of being cut off."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn."""
        services = getattr(self.config.app.state, "services", None)  # type: ignore[union-attr]
        if services is not None:
            services.stopping.set()
        super().handle_exit(sig, frame)
