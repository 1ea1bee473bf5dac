"""Makes `bpmn_writing` importable for the behaviour suite in the folder below, and starts instances."""

from typing import Any
from uuid import UUID

import pytest
from engine_in_database import Start

from kernel.functions import Kernel
from process_engine.committing import advance
from process_engine.committing.deployment import deploy


@pytest.fixture
def start(kernel_api: Kernel) -> Start:
    """Deploys a model and starts an instance of it."""

    async def begin(model: bytes, **variables: Any) -> UUID:
        summary = await deploy(kernel_api, model)
        return (await advance.start(kernel_api, summary.id, variables, "ann@acme.test")).proc_inst_id

    return begin
