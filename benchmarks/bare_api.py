"""The yardstick of the API: FastAPI and psycopg, one INSERT of one row per request, and nothing else."""

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import uvicorn
from fastapi import FastAPI
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

pool = AsyncConnectionPool(os.environ["DATABASE_URL"], open=False, max_size=8, kwargs={"autocommit": True})


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Open the pool and make the table."""
    async with pool:
        async with pool.connection() as connection:
            await connection.execute("create table if not exists bare (id uuid primary key, variables jsonb)")
        yield


app = FastAPI(lifespan=lifespan)


class Start(BaseModel):
    """The body."""

    process_definition_id: str
    variables: dict[str, Any]


@app.post("/instances", status_code=201)
async def start(body: Start) -> UUID:
    """Insert one row."""
    made = uuid4()
    async with pool.connection() as connection:
        await connection.execute("insert into bare values (%s, %s)", [made, Jsonb(body.variables)])
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app, port=parser.parse_args().port, log_level="critical", access_log=False)
