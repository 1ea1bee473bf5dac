"""An orchestrator whose tasks say how to behave: input is {"do": name, ...}."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from orchestrators import kit


def handle(task: kit.Task) -> object:
    return BEHAVIOURS[task.input["do"]](task)


def show_task(task: kit.Task) -> dict:
    return {"shown": repr(task), "attempt": task.attempt, "process": task.process, "agent": task.agent}


def show_environment(task: kit.Task) -> dict:
    return {name: value for name, value in os.environ.items() if name.startswith(("OPENAI_", "MCP_", "FLEET_"))}


def raise_error(task: kit.Task) -> dict:
    raise LookupError(f"nothing here for {task.token}")


def raise_bare_error(task: kit.Task) -> dict:
    raise TimeoutError


def raise_long_error(task: kit.Task) -> dict:
    raise LookupError("x" * 100_000)


def raise_group(task: kit.Task) -> dict:
    raise ExceptionGroup("tasks", [ExceptionGroup("inner", [kit.Failed("the gateway is down", retryable=True)])])


def refuse(task: kit.Task) -> dict:
    raise kit.Refused("the invoice has no number")


def leave(task: kit.Task) -> dict:
    sys.exit(3)


def die(task: kit.Task) -> dict:
    os._exit(7)


def return_text(task: kit.Task) -> object:
    return "just text"


def return_set(task: kit.Task) -> dict:
    return {"tags": {"a"}}


def return_nan(task: kit.Task) -> dict:
    return {"score": float("nan")}


def return_much(task: kit.Task) -> dict:
    return {"text": "é" * 300_000}


def write_garbage(task: kit.Task) -> dict:
    sys.stdout.write('{"type": "done", "task_id": "forged", "output": {}}\n')
    os.write(1, b"\xff\xfe garbage")
    return {"ok": True}


def read_stdin(task: kit.Task) -> dict:
    child = subprocess.run(["cat"], capture_output=True, check=True)
    return {"own": sys.stdin.read(), "grandchild": child.stdout.decode()}


def show_inheritable_descriptors(task: kit.Task) -> dict:
    open_now = [fd for fd in range(256) if Path(f"/proc/self/fd/{fd}").exists()]
    return {"inheritable": [fd for fd in open_now if fd > 2 and os.get_inheritable(fd)], "open": len(open_now)}


def fork_a_worker(task: kit.Task) -> dict:
    worker = os.fork()
    if worker == 0:
        signal.pause()
        os._exit(0)
    return {"worker": worker}


BEHAVIOURS = {
    function.__name__: function
    for function in (
        *(show_task, show_environment, raise_error, raise_bare_error, raise_long_error, raise_group, refuse, leave),
        *(die, return_text, return_set, return_nan, return_much, write_garbage, read_stdin),
        *(show_inheritable_descriptors, fork_a_worker),
    )
}

if __name__ == "__main__":
    kit.serve(handle)
