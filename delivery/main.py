"""Puts a deliverer together and runs it until SIGTERM or SIGINT."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn

from delivery.app import delivery_app
from delivery.channels import open_channels
from delivery.deliverer import Deliverer
from delivery.metrics import DeliveryMetrics
from delivery.settings import DeliverySettings
from kernel.connect import open_connection, open_pool
from kernel.functions import Kernel

_ROLE = "fleet_deliver"
_CONNECTIONS = 4
_log = logging.getLogger(__name__)


async def serve(settings: DeliverySettings) -> None:
    """Deliver until told to stop; then let what is being sent end, and return."""
    ear, metrics = open_connection(settings, _ROLE), DeliveryMetrics()
    async with open_channels(settings) as channels, open_pool(settings, _ROLE, _CONNECTIONS) as pool:
        kernel = Kernel(pool)
        deliverer = Deliverer(
            kernel,
            ear,
            channels,
            metrics,
            settings.fleet_delivery_slots,
            settings.fleet_delivery_timeout_seconds,
            settings.fleet_delivery_poll_seconds,
        )
        listener = socket.create_server((settings.fleet_delivery_host, settings.fleet_delivery_port))
        config = uvicorn.Config(
            delivery_app(deliverer, kernel, metrics), log_config=None, access_log=False, lifespan="off",
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        server = _NoSignals(config)
        serving = asyncio.create_task(server.serve([listener]))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, deliverer.stop)
        _log.info("delivers %s; health at %s:%s", ", ".join(sorted(channels)), *listener.getsockname()[:2])
        try:
            await deliverer.run()
        finally:
            server.should_exit = True
            await serving
            await ear.close()


class _NoSignals(uvicorn.Server):
    # A SIGTERM is for the deliverer: what is being sent ends before the addresses of health close.
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        yield
