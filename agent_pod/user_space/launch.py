"""The last step before an orchestrator: gives up what it must not have, then becomes it.

Run by the runner as `python -I -S launch.py MEMORY_MB USER COMMAND...` ("-" for no other user). It is a program of its
own because code between fork and exec of a process with threads may deadlock.
"""

import ctypes
import os
import pwd
import resource
import signal
import sys

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h


def main(memory_mb: str, user: str, *command: str) -> None:
    """Become `command`: no core dumps, no new privileges, killed when the pod dies, as `user`."""
    most = int(memory_mb) * 2 * 1024 * 1024  # a wall far above the limit that the runner watches and can explain
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if user != "-":
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after setuid, which clears it
    os.execvp(command[0], command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
