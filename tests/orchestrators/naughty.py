"""An orchestrator that misbehaves as its task tells it to: input {"do": ...}. Run as a program by the tests."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from orchestrators import kit


def handle(task: kit.Task) -> dict:
    """Do what the task says."""
    deed = task.input.get("do", "answer")
    if deed in ("ask_person", "ask_model", "ask_model_often", "call_tool"):
        return {"said": globals()[deed](task)}
    globals()[deed](task.input)
    return {"did": deed, "pid": os.getpid()}


def ask_person(task: kit.Task) -> str:
    """What a person says."""
    return call_tool(task, {"name": "ask_person", "arguments": {"question": "May I?"}})["answer"]


def call_tool(task: kit.Task, call: dict | None = None) -> dict:
    """What a tool says, asked with nothing but one POST (MCP 2025-06-18, streamable HTTP)."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call or task.input["call"]}
    headers = {"Authorization": f"Bearer {task.token}", "Content-Type": "application/json"}
    headers |= {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": kit.MCP_PROTOCOL_VERSION}
    request = urllib.request.Request(task.tools_url, json.dumps(call).encode(), headers)
    with urllib.request.urlopen(request) as response:
        return json.load(response)["result"]["structuredContent"]


def ask_model_often(task: kit.Task) -> list[str]:
    """What the model says, asked as often as told, each time something else."""
    return [ask_model(task, f"Say something. The number is {number}.") for number in range(task.input["times"])]


def ask_model(task: kit.Task, text: str = "Say something.") -> str:
    """What the model says, asked once and without a client that knows better; its failure is ours, in our words."""
    asked = {"model": task.model, "messages": [{"role": "user", "content": text}]}
    headers = {"Authorization": f"Bearer {task.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{task.model_url}/chat/completions", json.dumps(asked).encode(), headers)
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        if task.input.get("gives_up"):
            raise kit.Refused("it does not work") from error
        if task.input.get("crashes"):
            os._exit(9)
        raise ValueError("something is wrong") from error


def answer(given: dict) -> None:
    print("answering")


def crash(given: dict) -> None:
    print("about to fall", flush=True)
    os._exit(7)


def crash_once(given: dict) -> None:
    if _first_time(given):
        os._exit(7)


def be_killed(given: dict) -> None:
    os.kill(os.getpid(), given.get("signal", 11))


def hang(given: dict) -> None:
    print("thinking for ever", flush=True)
    time.sleep(3600)


def hang_by_name(given: dict) -> None:
    Path(given["file"]).write_text(f"{os.getpid()} ")
    time.sleep(3600)


def hang_once(given: dict) -> None:
    if not _first_time(given):
        return
    time.sleep(3600)


def wait_for_file_once(given: dict) -> None:
    if _first_time(given):
        wait_for_file(given)


def wait_for_file(given: dict) -> None:
    for _ in range(6000):
        if Path(given["file"]).exists():
            return
        time.sleep(0.01)


def _first_time(given: dict) -> bool:
    try:
        Path(given["marker"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def block_ten_seconds(given: dict) -> None:
    time.sleep(10)


def flood(given: dict) -> None:
    for _ in range(1_000_000):
        sys.stdout.write("x" * 1000 + "\n")
    time.sleep(3600)


def eat_memory(given: dict) -> None:
    eaten = []
    for _ in range(240):  # more than the limit of 200 MB, and less than the wall at twice that
        eaten.append(bytearray(1024 * 1024))
        time.sleep(0.001)
    time.sleep(3600)


def eat_memory_at_once(given: dict) -> None:
    bytearray(8 * 1024**3)


def fork_many(given: dict) -> None:
    for _ in range(60):
        subprocess.Popen(["sleep", "3600"])
    time.sleep(3600)


def leave_children(given: dict) -> None:
    subprocess.Popen(["sleep", "3600"])
    subprocess.Popen(["sleep", "3600"], start_new_session=True)
    os._exit(3)


def show_environment(given: dict) -> None:
    print("\n".join(sorted(os.environ)), flush=True)
    os._exit(1)


def raise_error(given: dict) -> None:
    raise ValueError("no such customer")


def refuse(given: dict) -> None:
    raise kit.Refused("this cannot be done")


def give_nul(given: dict) -> None:
    print("a\0b", flush=True)
    raise ValueError("nul \0 inside")


if __name__ == "__main__":
    kit.serve(handle)
