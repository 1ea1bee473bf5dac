"""/agents, /orchestrators and /pods: who does the work."""

from typing import Annotated

from fastapi import Path

from execution_api.access.auth import CallersKernel
from execution_api.bodies.paging import AfterId, AfterName, Limit, page
from execution_api.bodies.rows import AgentId, AgentRequest, Page
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.models import Agent, Orchestrator, Pod, PodStatus

router = room("Agents")


@router.get("/agents", summary="List agents", responses=errors())
async def list_agents(kernel: CallersKernel, after: AfterName = None, limit: Limit = 50) -> Page[Agent]:
    """The tenant's agents by id."""
    return page("/agents", await kernel.find_agents(after, limit), limit, "agent_id", cursor="after")


@router.put("/agents/{agent_id}", summary="Save an agent", responses=errors(413))
async def save_agent(
    agent_id: Annotated[AgentId, Path(description="the name that definitions use", examples=["billing-assistant"])],
    body: AgentRequest,
    kernel: CallersKernel,
) -> Agent:
    """Add an agent, or replace the one with this id. Tasks that are claimed from now on work as it."""
    return await kernel.save_agent(Agent(agent_id=agent_id, **body.model_dump()))


@router.get("/orchestrators", summary="List orchestrators", responses=errors())
async def list_orchestrators(kernel: CallersKernel, after: AfterName = None, limit: Limit = 50) -> Page[Orchestrator]:
    """What pods can run: the names that a definition's service tasks may use."""
    return page("/orchestrators", await kernel.find_orchestrators(after, limit), limit, "id", cursor="after")


@router.get("/pods", summary="List pods", responses=errors())
async def list_pods(
    kernel: CallersKernel, status: PodStatus | None = None, after: AfterId = None, limit: Limit = 500
) -> Page[Pod]:
    """Pods that lived within the last day."""
    found = await kernel.find_pods(status, after, limit)
    return page("/pods", found, limit, "pod_id", cursor="after", status=status)
