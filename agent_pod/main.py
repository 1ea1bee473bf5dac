"""Puts a pod together and runs it until SIGTERM or SIGINT."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from uuid import uuid4

from starlette.applications import Starlette
from starlette.routing import Mount

from agent_pod.calls.journal import Journal
from agent_pod.calls.limiter import Limiter
from agent_pod.calls.prices import Prices
from agent_pod.calls.suspension import Suspension
from agent_pod.claiming.execution import Endpoints, Execution
from agent_pod.claiming.health import health_app
from agent_pod.claiming.keeper import Keeper
from agent_pod.claiming.pod import Pod
from agent_pod.metrics import PodMetrics
from agent_pod.model_door.gateway import ModelGateway, open_upstream
from agent_pod.model_door.upstream_retry import Patience
from agent_pod.run.current_task import Desk
from agent_pod.servers import LoopServer
from agent_pod.settings import PodSettings
from agent_pod.tool_door.document_tools import DocumentTools
from agent_pod.tool_door.gateway import OnlyTheTaskAtHand, ToolGateway
from agent_pod.tool_door.tool_servers.client import ServerClient
from agent_pod.tool_door.tool_servers.servers import TenantServers
from agent_pod.tool_door.waiting_tools import waiting_tools
from agent_pod.user_space import run_folder
from agent_pod.user_space.environments import equip
from agent_pod.user_space.registry import OrchestratorDeclaration, read_orchestrators
from agent_pod.user_space.runner import Limits
from agent_pod.user_space.runner_user import choose_runner_user
from agent_pod.user_space.runners import Runners
from kernel.connect import open_connection
from kernel.errors import SettingsInvalid
from kernel.functions import Kernel
from knowledge.embed import Embedder
from process_engine.committing.upkeep import Upkeep

logger = logging.getLogger(__name__)
_LOOK_FOR_EVENTS_SECONDS = 1.5


async def serve(settings: PodSettings) -> None:
    """Run a pod until it is told to stop; then it lets its task finish, or hands it back, and returns."""
    pod_id = uuid4()
    declarations = await asyncio.to_thread(_orchestrators, settings)
    api_key = settings.openai_api_key.get_secret_value()
    run_folder.remove_left_behind()
    metrics = PodMetrics()
    connection = open_connection(settings, "fleet_pod")
    kernel = Kernel(connection)
    prices = Prices.read(settings.fleet_model_prices)
    limiter = Limiter(
        kernel, prices, metrics, settings.limits, settings.fleet_limit_warning, settings.fleet_limit_grace_seconds
    )
    desk, journal = Desk(limiter.begin), Journal(kernel, prices, metrics, limiter)
    embedder = Embedder(settings.openai_base_url, api_key, settings.fleet_embedding_model)
    user = await choose_runner_user(settings.fleet_runner_user)
    limits = Limits(settings.fleet_output_mb << 20, settings.fleet_runner_processes, user)
    patience = Patience(settings.fleet_model_patience_seconds, metrics)
    runners = Runners(declarations, limits, settings.fleet_warm_runners)
    keeper = Keeper(lambda: open_connection(settings, "fleet_pod"), pod_id, settings.fleet_lease_seconds)

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        stack.push_async_callback(embedder.aclose)
        stack.push_async_callback(runners.close)
        upstream = await stack.enter_async_context(open_upstream(settings.openai_base_url, api_key))
        own_tools = [*DocumentTools(kernel, embedder, settings.fleet_embedding_model).all(), *waiting_tools()]
        servers = TenantServers(kernel, ServerClient(settings.fleet_mcp_allow), settings.fleet_mcp_tools_seconds)
        suspension = Suspension(kernel, settings.fleet_inline_wait_seconds)
        tools = ToolGateway(desk, own_tools, journal, suspension, servers)
        await stack.enter_async_context(tools.app.router.lifespan_context(tools.app))
        gateway = Starlette(
            routes=[
                *ModelGateway(desk, upstream, journal, patience).routes,
                Mount("/", OnlyTheTaskAtHand(tools.app, desk)),
            ]
        )
        endpoints = await stack.enter_async_context(LoopServer(gateway, "127.0.0.1", settings.fleet_gateway_port))
        execution = Execution(
            kernel,
            desk,
            keeper,
            runners,
            Endpoints(f"{endpoints.url}/v1", f"{endpoints.url}/mcp", settings.fleet_model),
        )
        pod = Pod(
            pod_id,
            list(declarations),
            connection,
            execution,
            keeper,
            metrics,
            settings.fleet_lease_seconds,
            settings.fleet_idle_poll_seconds,
        )
        health = await stack.enter_async_context(
            LoopServer(health_app(pod, metrics), settings.fleet_health_host, settings.fleet_health_port)
        )
        serves = [{"id": d.name, "description": d.description} for d in declarations.values()]
        await kernel.register_pod(pod_id, settings.fleet_pod_name, serves, health.url)
        keeper.start()
        stopping = _drain_on_signals(pod, execution, keeper, settings.fleet_drain_seconds)
        logger.info("pod %s (%s) serves %s", settings.fleet_pod_name, pod_id, ", ".join(declarations))
        try:
            async with Upkeep(kernel, _LOOK_FOR_EVENTS_SECONDS).running():
                await pod.run()
        finally:
            stopping()
            await asyncio.to_thread(keeper.stop)
            await kernel.heartbeat_pod(pod_id, "STOPPED")


def _orchestrators(settings: PodSettings) -> dict[str, OrchestratorDeclaration]:
    """What this pod serves. Environments that are missing are made for those that FLEET_SERVES names."""
    declared = read_orchestrators(settings.fleet_orchestrators, settings.fleet_serves)
    served, left_out = equip(declared, settings.fleet_environments, settings.fleet_serves)
    for name in left_out:
        logger.warning("orchestrator %s is not served: it has no environment here. Run `fleet prepare %s`.", name, name)
    if not served:
        raise SettingsInvalid(f"no orchestrator can run here: run `fleet prepare {' '.join(left_out)}`.")
    return served


def _drain_on_signals(pod: Pod, execution: Execution, keeper: Keeper, drain_seconds: float) -> Callable[[], object]:
    """On SIGTERM or SIGINT: claim no more, and hand the task back when it has not ended in time."""
    loop = asyncio.get_running_loop()

    def drain() -> None:
        keeper.pod_status = "DRAINING"
        pod.drain()
        loop.call_later(drain_seconds, execution.stop, "draining")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, drain)
    return lambda: [loop.remove_signal_handler(number) for number in (signal.SIGTERM, signal.SIGINT)]
