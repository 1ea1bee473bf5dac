"""A connection that waits for quick answers in place: the rest of the program still gets its turn."""

import asyncio
from time import monotonic

from kernel.patient_connection import PatientConnection
from kernel.postgres import connect_options


async def test_calls_without_a_pause_leave_the_loop_its_turn(calls_url: str) -> None:
    async with await PatientConnection.connect(calls_url, **connect_options(None)) as connection:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        end = monotonic() + 0.3
        while monotonic() < end:
            await connection.call_function("total", None, {"a": 1})
        other.cancel()
        assert turns >= 5


async def test_a_slow_answer_is_waited_for_in_the_loop(calls_url: str) -> None:
    async with await PatientConnection.connect(calls_url, **connect_options(None)) as connection:
        sleeping = asyncio.create_task(connection.call_function("nap", None, {"seconds": 0.05}))
        turns = 0
        while not sleeping.done():
            turns += 1
            await asyncio.sleep(0)
        assert (await sleeping) == [{"slept": 0.05}]
        assert turns > 10
