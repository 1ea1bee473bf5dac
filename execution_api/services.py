"""What lives as long as the program and every request uses."""

import asyncio
from dataclasses import dataclass, field

from starlette.types import Scope

from execution_api.access.rate_limit import RateLimit
from execution_api.access.token_check import TokenCheck
from execution_api.requests.metrics import HttpMetrics
from execution_api.settings import ApiSettings
from execution_api.streams.ear import Ear
from execution_api.streams.event_hub import EventHub
from execution_api.streams.sse import Streams
from kernel.functions import Kernel
from knowledge.embed import Embedder
from knowledge.file_reader import FileReader
from process_engine.committing.upkeep import Upkeep


@dataclass(frozen=True)
class Services:
    """`kernel` has no tenant yet; `stopping` is set when the program has been told to end."""

    settings: ApiSettings
    kernel: Kernel
    embedder: Embedder
    metrics: HttpMetrics
    tokens: TokenCheck
    upkeep: Upkeep
    notifications_ear: Ear
    streams: Streams
    events: EventHub
    stopping: asyncio.Event
    rates: RateLimit
    reader: FileReader = field(default_factory=FileReader)


def services_of(scope: Scope) -> Services:
    """The services of the application that handles the request of `scope`."""
    return scope["app"].state.services
