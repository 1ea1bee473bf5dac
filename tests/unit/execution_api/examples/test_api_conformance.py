"""schemathesis over the OpenAPI document: no answer above 499, none that is not documented, nothing taken that the
document forbids.

Left out are the three streams of server-sent events: they have no end.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from full_tenant import bounded, fill, with_values
from places import Place
from user_tokens import user_token

from execution_api.access.scopes import Role
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

Conform = Callable[..., Awaitable[tuple[int, str]]]
ANSWERS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance"
)
REFUSALS = f"{ANSWERS},negative_data_rejection,missing_required_header"
RESOURCES = f"{ANSWERS},use_after_free,ensure_resource_availability"  # for one role: others may not see what it makes
TURNS = [Role.ADMIN, Role.WORKER, Role.ADMIN, Role.VIEWER, Role.ADMIN, Role.OPERATOR, Role.ADMIN, Role.PROCESS_OWNER]
PERSON = "ann@acme.test"
NEVER = 4102444800


@pytest.fixture
async def pod(database_url: str) -> AsyncIterator[Kernel]:
    connection = PostgresConnection(database_url, "fleet_pod")
    yield Kernel(connection)
    await connection.close()


@pytest.fixture
async def values(client: httpx.AsyncClient, pod: Kernel) -> dict[str, list[Any]]:
    """What the tenant has: name of a field -> values."""
    return await fill(client, pod, PERSON)


@pytest.fixture
def conform(api_url: str, place: Place, tmp_path: Path) -> Conform:
    """Runs schemathesis: `await conform(document, roles, checks, *options)`; its exit code and what it says.

    The roles take turns.
    """

    async def run(document: dict[str, Any], roles: list[Role], checks: str, *options: str) -> tuple[int, str]:
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        tokens = [user_token(place.tenant, fleet_role=role, exp=NEVER) for role in roles]
        hooks = str(Path(__file__).parent.with_name("schemathesis_hooks.py"))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", api_url, "--checks", checks),
            *("--no-color", "--warnings", "off", "--continue-on-failure", *options),
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": hooks, "FLEET_TEST_TOKENS": json.dumps(tokens)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    return run


def requests_of(said: str) -> int:
    """How many requests a run made."""
    [line] = [line for line in said.splitlines() if " generated, " in line]
    return int(line.split()[0])


@pytest.mark.parametrize(
    ("options", "at_least"),
    [
        ("--phases fuzzing --mode positive --max-examples 1 --generation-deterministic", 60),
        pytest.param(
            "--phases coverage,fuzzing --mode positive --max-examples 50 --seed 1", 3000, marks=pytest.mark.chaos
        ),
    ],
    ids=["fast", "thorough"],
)
async def test_every_answer_about_what_is_there_is_documented(
    conform: Conform, document: dict[str, Any], values: dict[str, list[Any]], options: str, at_least: int
) -> None:
    code, said = await conform(with_values(bounded(document), values), TURNS, ANSWERS, *options.split())
    assert code == 0 and requests_of(said) >= at_least, said


@pytest.mark.parametrize(
    ("options", "at_least"),
    [
        ("--phases fuzzing --mode negative --max-examples 1 --generation-deterministic", 50),
        pytest.param("--phases examples,coverage,fuzzing --max-examples 50 --seed 2", 5000, marks=pytest.mark.chaos),
    ],
    ids=["fast", "thorough"],
)
async def test_what_the_document_forbids_is_refused_as_it_says(
    conform: Conform, document: dict[str, Any], values: dict[str, list[Any]], options: str, at_least: int
) -> None:
    code, said = await conform(bounded(document), TURNS, REFUSALS, *options.split())
    assert code == 0 and requests_of(said) >= at_least, said


@pytest.mark.chaos
async def test_one_answer_leads_to_the_next_request_and_every_answer_is_documented(
    conform: Conform, document: dict[str, Any], values: dict[str, list[Any]]
) -> None:
    options = "--phases stateful --max-examples 300 --seed 3 --max-time 400"
    code, said = await conform(bounded(document), [Role.ADMIN], RESOURCES, *options.split())
    assert code == 0 and requests_of(said) >= 300, said


async def test_an_answer_that_is_not_documented_would_be_found(
    conform: Conform, document: dict[str, Any], values: dict[str, list[Any]]
) -> None:
    lacking = with_values(document, values)
    lacking["paths"] = {"/tasks/{task_id}": {"get": lacking["paths"]["/tasks/{task_id}"]["get"]}}
    del lacking["paths"]["/tasks/{task_id}"]["get"]["responses"]["200"]
    options = "--phases fuzzing --mode positive --max-examples 2 --generation-deterministic"
    code, said = await conform(lacking, [Role.VIEWER], ANSWERS, *options.split())
    assert code == 1 and "Undocumented status code" in said, said
