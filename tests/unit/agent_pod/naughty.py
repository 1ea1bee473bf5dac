"""An orchestrator that misbehaves as its task tells it to: input {"do": ...}. Run as a program by the tests."""

import os
import subprocess
import sys
import time

from orchestrators import kit


def handle(task: kit.Task) -> dict:
    """Do what the task says."""
    deed = task.input.get("do", "answer")
    globals()[deed]()
    return {"did": deed, "pid": os.getpid()}


def answer() -> None:
    print("answering")


def crash() -> None:
    print("about to fall", flush=True)
    os._exit(7)


def be_killed() -> None:
    os.kill(os.getpid(), 11)


def hang() -> None:
    print("thinking for ever", flush=True)
    time.sleep(3600)


def flood() -> None:
    for _ in range(1_000_000):
        sys.stdout.write("x" * 1000 + "\n")
    time.sleep(3600)


def eat_memory() -> None:
    eaten = []
    for _ in range(4000):
        eaten.append(bytearray(1024 * 1024))
        time.sleep(0.001)
    time.sleep(3600)


def eat_memory_at_once() -> None:
    bytearray(8 * 1024**3)


def fork_many() -> None:
    for _ in range(60):
        subprocess.Popen(["sleep", "3600"])
    time.sleep(3600)


def leave_children() -> None:
    subprocess.Popen(["sleep", "3600"])
    subprocess.Popen(["sleep", "3600"], start_new_session=True)
    os._exit(3)


def show_environment() -> None:
    print("\n".join(sorted(os.environ)), flush=True)
    os._exit(1)


def raise_error() -> None:
    raise ValueError("no such customer")


def refuse() -> None:
    raise kit.Refused("this cannot be done")


def give_nul() -> None:
    print("a\0b", flush=True)
    raise ValueError("nul \0 inside")


if __name__ == "__main__":
    kit.serve(handle)
