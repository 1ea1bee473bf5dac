"""Other processes of the same user cannot read a program's environment."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import ctypes, os, sys
from pathlib import Path
source = Path(sys.argv[1]).read_text()
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # setuid had hidden it
exec(source)
if sys.argv[2] == "hide":
    hide_from_other_processes()
readers = os.fork()
if readers == 0:
    try:
        Path(f"/proc/{os.getppid()}/environ").read_bytes()
    except PermissionError:
        os._exit(3)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(readers, 0)[1]))
"""
SECRECY = Path(__file__).resolve().parents[4] / "fleet" / "programs" / "secrecy.py"


def reader_ends_with(how: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(SECRECY), how],
        check=True, capture_output=True, text=True, env={"PATH": os.defpath},
    )  # fmt: skip
    return done.stdout.strip()


def test_a_hidden_programs_environment_is_closed_to_its_own_user() -> None:
    assert reader_ends_with("hide") == "3"


def test_without_hiding_it_is_open() -> None:
    assert reader_ends_with("show") == "0"
