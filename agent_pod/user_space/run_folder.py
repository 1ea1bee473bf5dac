"""Each child process has a folder of its own, named after the pod it belongs to, so that the folders of a pod which was
killed can be told from those in use.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

_PREFIX = "fleet-run-"


def make() -> Path:
    """A new folder of this pod. Raises OSError."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


def remove_left_behind() -> None:
    """Remove what pods that no longer run left in the temporary folder. Never raises."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = re.match(rf"{_PREFIX}(\d+)-", folder.name)
        if owner and not folder.is_symlink() and not _runs(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
