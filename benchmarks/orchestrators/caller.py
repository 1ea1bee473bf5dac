"""Makes the same model calls at the upstream and through the pod, and writes down how many seconds each took.

Its first attempt ends in a crash after all calls, so that the second one is answered from the journal.
"""

import json
import os
import random
import time
from pathlib import Path

import httpx

from orchestrators import kit


def handle(task: kit.Task) -> dict:
    """`input`: `upstream` (base URL), `file` (gets one line for each attempt), `calls`, `characters` of each message,
    and `growing`: whether each call sends the whole conversation so far."""
    given = task.input
    direct = timed(given, given["upstream"], "none")
    through = timed(given, task.model_url, task.token)
    with Path(given["file"]).open("a") as file:
        file.write(json.dumps({"direct": direct, "through": through}) + "\n")
    if task.attempt == 1:
        os._exit(1)
    return {}


def timed(given: dict, base_url: str, token: str) -> list[float]:
    """The seconds of each call, from the request's bytes to the answer's."""
    chance = random.Random(7)  # the same texts in each attempt
    messages: list[dict] = []
    seconds = []
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        for _ in range(given["calls"]):
            text = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz     ", k=given["characters"]))
            messages.append({"role": "user", "content": text})
            body = {"model": "bench", "messages": messages if given["growing"] else messages[-1:]}
            content = json.dumps(body).encode()
            started = time.perf_counter()
            answer = client.post("chat/completions", content=content, headers={"Content-Type": "application/json"})
            seconds.append(time.perf_counter() - started)
            messages.append(answer.raise_for_status().json()["choices"][0]["message"])
    return seconds


if __name__ == "__main__":
    kit.serve(handle)
