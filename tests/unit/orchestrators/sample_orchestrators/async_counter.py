"""An async orchestrator that counts its tasks with a lock bound to the event loop it first ran on."""

import asyncio

from orchestrators import kit

loops: list[asyncio.AbstractEventLoop] = []


async def handle(task: kit.Task) -> dict:
    await asyncio.sleep(0)
    loops.append(asyncio.get_running_loop())
    if task.input.get("fail"):
        raise ValueError("told to fail")
    return {"tasks": len(loops), "loops": len(set(loops))}


kit.serve(handle)
