"""The code of an earlier commit, checked out beside today's, and a fleet that runs it."""

import io
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from live_fleet import until

from fleet.connection import Connection, read_connection

REPOSITORY = Path(__file__).resolve().parents[1]
_SCHEMA = "init.sql"
_WHOLE_CLONE = "This test compares with an earlier commit and needs a whole clone: run `git fetch --unshallow`"


def commit_before_newest_schema(repository: Path = REPOSITORY) -> str:
    """The last commit before the newest change of init.sql: HEAD where that change is not committed yet.

    Raises LookupError, with the remedy, where the history is not here.
    """
    if _git(repository, "status", "--porcelain", "--", _SCHEMA):
        return _git(repository, "rev-parse", "HEAD")
    newest = _git(repository, "log", "-1", "--first-parent", "--format=%H", "--", _SCHEMA)
    if not newest:
        raise LookupError(f"no commit of {repository} holds {_SCHEMA}. {_WHOLE_CLONE}")
    try:
        return _git(repository, "rev-parse", "--verify", "--quiet", f"{newest}^1")
    except LookupError:
        raise LookupError(f"the commit before {newest} is not here. {_WHOLE_CLONE}") from None


def check_out(commit: str, folder: Path, repository: Path = REPOSITORY) -> Path:
    """Write the files of `commit` into `folder`, and return it."""
    archive = subprocess.run(["git", "archive", commit], cwd=repository, check=True, capture_output=True, timeout=60)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


class EarlierFleet:
    """`fleet up` of the code in `checkout`, in today's environment. Use as `with`; `data` and `connection` are as those
    of a FleetTree."""

    connection: Connection

    def __init__(self, checkout: Path, data: Path, pods: int, environment: Mapping[str, str] = os.environ):
        self.data = data
        self._checkout = checkout
        self._pods = str(pods)
        self._environment = {**environment, "PYTHONPATH": str(checkout)}

    def __enter__(self) -> "EarlierFleet":
        self.data.mkdir()
        with (self.data / "up.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fleet", "up", "--data", self.data, "--port", "0", "--pods", self._pods],
                cwd=self._checkout, env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self.connection = until(self._connection_or_fail)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it as an upgrade does: its pods may finish what they have. Does nothing where it is stopped."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(40)

    def _connection_or_fail(self) -> Connection | None:
        said = (self.data / "up.log").read_text()
        assert self._process.poll() is None, f"the earlier fleet ended:\n{said}"
        return read_connection(self.data) if "ready " in said else None


def _git(repository: Path, *arguments: str) -> str:
    try:
        asked = subprocess.run(
            ["git", *arguments], cwd=repository, check=False, capture_output=True, text=True, timeout=60
        )
    except FileNotFoundError:
        raise LookupError("git is not installed: this test asks it for an earlier commit") from None
    if asked.returncode:
        raise LookupError(f"git {' '.join(arguments)} failed: {asked.stderr.strip()}. {_WHOLE_CLONE}")
    return asked.stdout.strip()
