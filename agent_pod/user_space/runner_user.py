"""Chooses the system user that orchestrators run as: an orchestrator needs no rights, so it gets none."""

import asyncio
import logging
import os
import pwd
import sys
from pathlib import Path

from kernel.errors import SettingsInvalid

logger = logging.getLogger(__name__)
_NOBODY = "nobody"
_HERE = Path(__file__).resolve().parent


async def choose_runner_user(named: str | None) -> str | None:
    """The user to become before an orchestrator starts; None to stay the pod's own user.

    A pod that is not root cannot become anybody else. One that is root becomes `named`, or nobody where nobody can
    run this Python; otherwise orchestrators run as root, and the log says so. Raises SettingsInvalid for a user that
    is not there or cannot be become.
    """
    if os.geteuid() != 0:
        if named not in (None, pwd.getpwuid(os.geteuid()).pw_name):
            raise SettingsInvalid(f"FLEET_RUNNER_USER: only root can become {named!r}. Leave it out, or start as root.")
        return None
    if named is not None:
        return _existing(named)
    if await _can_run(_NOBODY):
        return _NOBODY
    logger.warning(
        "orchestrators run as root: user %s cannot run %s. Set FLEET_RUNNER_USER to a user that can.",
        _NOBODY,
        sys.executable,
    )
    return None


def _existing(name: str) -> str:
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        raise SettingsInvalid(f"FLEET_RUNNER_USER: there is no user {name!r} here. Name one that exists.") from None


async def _can_run(user: str) -> bool:
    trial = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(_HERE / "launch.py"), "256", user,
        sys.executable, "-c", "import orchestrators.kit",
        cwd="/", env={"PYTHONPATH": str(_HERE.parents[1])},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await trial.wait() == 0
