"""init.sql on each supported PostgreSQL: fresh, applied again, and on a database that an earlier init.sql made."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from instance_steps import agent_task, model_call, person_task, step
from postgres_versions import VERSIONS, pg_dump, postgres_server
from psycopg.conninfo import make_conninfo
from schema_catalogue import catalogue
from task_outcomes import outcome

from kernel.embedded import EmbeddedPostgres
from kernel.functions import Kernel
from kernel.migrate import create_tenant, migrate
from kernel.postgres import PostgresConnection

EARLIER = sorted((Path(__file__).parent / "earlier_schemas").glob("*.sql.gz"))
CHUNK = {"chunk": 1, "heading": "h", "content": "some words", "embedding": [0.5] * 1536}


@dataclass(frozen=True)
class Server:
    url: str
    version: str

    def database(self, name: str) -> str:
        with psycopg.connect(self.url, autocommit=True) as superuser:
            superuser.execute(f"create database {name}")  # type: ignore[arg-type]
        return make_conninfo(self.url, dbname=name)


@pytest.fixture(scope="module", params=VERSIONS)
def one_server(request: pytest.FixtureRequest, server: EmbeddedPostgres) -> Iterator[Server]:
    with postgres_server(request.param) as url:
        yield Server(url, request.param)


@pytest.fixture(scope="module")
def fresh(one_server: Server) -> str:
    url = one_server.database("fresh")
    migrate(url)
    return url


def test_the_server_is_of_the_version_it_is_named_by(one_server: Server) -> None:
    with psycopg.connect(one_server.url) as connection:
        assert str(connection.info.server_version // 10_000) == one_server.version


def test_applied_twice_it_changes_nothing(fresh: str) -> None:
    before = pg_dump(fresh)
    assert len(before) > 2000
    migrate(fresh)
    assert pg_dump(fresh) == before


async def test_a_task_lives_its_whole_life(fresh: str) -> None:
    create_tenant(fresh, "life", "Life")
    api = Kernel(PostgresConnection(fresh, "fleet_api")).as_tenant("life", "user:ann@life.test")
    pod = Kernel(PostgresConnection(fresh, "fleet_pod"))
    await work_through(api, pod, "first")
    await close(api, pod)


async def work_through(api: Kernel, pod: Kernel, definition: str) -> None:
    """An instance from its start to its end, by a person and a pod, with documents, journal and search."""
    pod_id = uuid4()
    await pod.register_pod(pod_id, "pod", [{"id": "echo", "description": ""}], None)
    await api.deploy_definition(definition, "Order", "<bpmn/>", {}, ["echo"])
    started = await api.start_instance(definition, 1, "ann@life.test", step(0, agent_task()))
    task = await pod.next_task(pod_id, ["echo"], 60)
    assert task is not None and task.proc_inst_id == started.proc_inst_id
    assert (await pod.renew_lease(task, 60)).state == "renewed"
    await pod.record_call(task, model_call())
    await pod.save_task_document(task, "T", "words", [], "m", [CHUNK], uuid4())
    done = outcome(task, output={}, step=step(1, person_task()))
    assert await pod.next_task(pod_id, ["echo"], 60, done) is None
    (asked,) = await api.find_tasks(started.proc_inst_id, "TODO")  # type: ignore[arg-type]
    await api.submit_task(asked.task_id, {}, step(2, ended=True))
    instance = await api.get_instance(started.proc_inst_id)
    assert instance is not None and instance.status == "COMPLETED"
    assert len(await api.search_documents("words", "m", [0.5] * 1536, 5)) >= 1


async def close(*kernels: Kernel) -> None:
    for kernel in kernels:
        await kernel.transport.close()  # type: ignore[attr-defined]


def test_there_is_an_earlier_schema_to_come_from() -> None:
    assert "first.sql.gz" in [path.name for path in EARLIER]


@pytest.mark.parametrize("earlier", EARLIER, ids=lambda path: path.name)
async def test_a_database_of_an_earlier_release_becomes_as_a_fresh_one_and_keeps_its_rows(
    one_server: Server, fresh: str, earlier: Path
) -> None:
    url = one_server.database("from_" + earlier.name.partition(".")[0])
    kept = install(earlier, url)
    migrate(url)
    assert as_a_set(pg_dump(url)) == as_a_set(pg_dump(fresh))
    with psycopg.connect(url) as upgraded, psycopg.connect(fresh) as new:
        assert {kind: unordered(kind, lines) for kind, lines in catalogue(upgraded).items()} == {
            kind: unordered(kind, lines) for kind, lines in catalogue(new).items()
        }
    before = pg_dump(url)
    migrate(url)
    assert pg_dump(url) == before
    api = Kernel(PostgresConnection(url, "fleet_api")).as_tenant("acme", "user:ann@acme.test")
    pod = Kernel(PostgresConnection(url, "fleet_pod"))
    assert {task.task_id for task in await api.find_tasks()} == kept
    pod_id = uuid4()
    task = await pod.next_task(pod_id, ["echo"], 60)
    assert task is not None and task.task_id in kept
    await pod.next_task(pod_id, [], 60, outcome(task, output={}, step=step(1, ended=True)))
    await work_through(api, pod, "second")
    await close(api, pod)


def install(earlier: Path, url: str) -> set[object]:
    """Apply an earlier schema and make rows with its functions. Returns the ids of the tasks."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(gzip.decompress(earlier.read_bytes()))
        owner.execute("select * from public.create_tenant('acme', 'Acme')")
        owner.execute("""set request.jwt.claims = '{"tenant_id": "acme", "actor": "user:ann"}'""")
        owner.execute("""select * from public.register_pod(gen_random_uuid(), 'p',
            '[{"id": "echo", "description": ""}]', null)""")
        owner.execute("select * from public.deploy_definition('order', 'Order', '<bpmn/>', '{}', '[]')")
        owner.execute("""select * from public.start_instance('order', 1, 'ann', '{"revision": 0, "state": {},
            "variables": {}, "ended": false, "cancelled": [], "tasks": [
            {"activity_id": "work", "agent_orch": "echo", "engine_token": "t"}, {"activity_id": "ask"}]}')""")
        owner.execute("select * from public.save_document('D', 'd.md', 'text/markdown', 'words', 'm', '[]')")
        owner.execute("select * from public.save_agent('a', 'A', 'r', 'g', '', null, '[]')")
        return {row[0] for row in owner.execute("select task_id from public.todolist")}


def as_a_set(dump: list[str]) -> list[str]:
    """The lines of a dump whatever their order: a column that came later is the last of its table."""
    return sorted(line.strip().rstrip(",") for line in dump)


def unordered(kind: str, lines: list[str]) -> list[str]:
    """What can be compared between databases: without positions of columns, and without what sequences have counted."""
    if kind in {"columns", "sequences"}:
        number = 1 if kind == "columns" else 5
        return sorted(",".join(part for place, part in enumerate(line.split(",")) if place != number) for line in lines)
    return lines
