"""The wire between the fleet and its database: a TCP relay whose connections can be cut at any moment.

A cut takes both ends by surprise: a statement may have been committed whose answer never arrives.
"""

import asyncio
import contextlib
import random


class DatabaseWire:
    """Relays 127.0.0.1:`port` to the Unix socket `target`. Use as `async with`."""

    def __init__(self, target: str, dice: random.Random):
        self._target = target
        self._dice = dice
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> "DatabaseWire":
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut(1.0)

    def cut(self, share: float) -> int:
        """Cut about `share` of the open connections; returns how many."""
        chosen = [writer for writer in list(self._open) if self._dice.random() < share]
        for writer in chosen:
            writer.transport.abort()
        return len(chosen)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open.add(writer)
        there = asyncio.create_task(_pump(reader, there_writer))
        back = asyncio.create_task(_pump(there_reader, writer))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return  # the run is over; the server of asyncio would report it as an error
        finally:
            self._open.discard(writer)
            for end in (writer, there_writer):
                end.close()
            for pump in (there, back):
                pump.cancel()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
