"""Starts an orchestrator as a pod does: clean environment, tasks on stdin, answers on a descriptor of their own."""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[3]
ORCHESTRATORS = CHECKOUT / "orchestrators"
PATIENCE_SECONDS = 20.0


def declared_command(name: str) -> list[str]:
    """Return the command that `orchestrators/<name>.yaml` declares, ready to run."""
    command = yaml.safe_load((ORCHESTRATORS / f"{name}.yaml").read_text())["command"]
    return [word.replace("{python}", sys.executable).replace("{here}", str(ORCHESTRATORS)) for word in command]


def task_message(task_id: str = "task-1", **fields: Any) -> dict[str, Any]:
    """Return a whole task message, with `fields` in place of the defaults."""
    message = {
        "type": "task",
        "task_id": task_id,
        "token": "token-1",
        "model_url": "http://127.0.0.1:9/v1",
        "tools_url": "http://127.0.0.1:9/mcp",
        "instruction": "Do it.",
        "input": {},
        "output_schema": None,
        "agent": None,
        "model": "test-model",
        "attempt": 1,
        "process": None,
    }
    return {**message, **fields}


class Child:
    """A running orchestrator. Its log goes to files, so that it can write as much as it likes."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.stdout, self.stderr = home / "stdout", home / "stderr"
        self._answers, result_fd = os.pipe()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONUNBUFFERED": "1",
            "FLEET_RESULT_FD": str(result_fd),
        }
        with self.stdout.open("wb") as stdout, self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, env=environment, cwd=home, pass_fds=[result_fd], text=True,
                stdin=subprocess.PIPE, stdout=stdout, stderr=stderr,
            )  # fmt: skip
        os.close(result_fd)
        self._unread = b""

    def send(self, line: str) -> None:
        """Write one line to the child's stdin."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a task and return the answer."""
        self.send(json.dumps(message))
        answer = self.next_answer()
        assert answer is not None, f"no answer; stderr: {self.stderr.read_text()}"
        return answer

    def output(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a task that must succeed and return its output."""
        answer = self.ask(message)
        assert answer["type"] == "done", answer
        assert answer["task_id"] == message["task_id"]
        return answer["output"]

    def failure(self, message: dict[str, Any]) -> tuple[str, bool]:
        """Send a task that must fail and return the reason and whether it is retryable."""
        answer = self.ask(message)
        assert answer["type"] == "failed", answer
        assert answer["task_id"] == message["task_id"]
        return answer["reason"], answer["retryable"]

    def next_answer(self) -> dict[str, Any] | None:
        """Return the next answer, or None when the child has closed its end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no answer in {PATIENCE_SECONDS} s; stderr: {self.stderr.read_text()}"
            received = os.read(self._answers, 65536)
            if not received:
                return None
            self._unread += received
        line, self._unread = self._unread.split(b"\n", 1)
        return json.loads(line)

    def close(self) -> int:
        """Close stdin and return the exit code."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(PATIENCE_SECONDS)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin
        self.process.stdin.close()
        os.close(self._answers)
