"""Hides a program's environment, where keys are, from other processes of the same user, such as orchestrators."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide_from_other_processes() -> None:
    """Make /proc/PID/environ and /proc/PID/mem of this process readable by root alone (prctl(2), PR_SET_DUMPABLE).

    A program that this process starts is not hidden: exec sets it back.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
