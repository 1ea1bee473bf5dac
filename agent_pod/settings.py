"""Settings of an agent pod."""

import socket
import sys
from decimal import Decimal
from pathlib import Path

from pydantic import Field, IPvAnyNetwork

from kernel.models import Limits
from kernel.settings import Settings


class PodSettings(Settings):
    """From environment variables of the same names (upper case)."""

    @property
    def limits(self) -> Limits:
        """What this pod allows each task."""
        return Limits(**{name: getattr(self, f"fleet_limit_{name}") for name in Limits.model_fields})

    fleet_pod_name: str = Field(default_factory=socket.gethostname, description="name of the pod; may repeat")
    fleet_orchestrators: Path = Field(
        Path(__file__).resolve().parent.parent / "orchestrators", description="folder of orchestrator declarations"
    )
    fleet_serves: list[str] = Field(default=[], description="orchestrators this pod runs, as a JSON list; []: all")
    fleet_environments: Path = Field(
        Path(sys.prefix) / "environments", description="folder of the environments of orchestrators that are scripts"
    )
    fleet_lease_seconds: int = Field(30, ge=3, le=3600, description="length of a lease; renewed at a third of it")
    fleet_idle_poll_seconds: float = Field(2.0, gt=0, le=60, description="longest pause between polls of an idle pod")
    fleet_inline_wait_seconds: float = Field(
        1.0, ge=0, le=3600, description="how long a task waits in its pod for an answer before it is suspended"
    )
    fleet_drain_seconds: float = Field(
        60.0, ge=0, le=86_400, description="how long a stopping pod lets its task finish before handing it back"
    )
    fleet_warm_runners: int = Field(4, ge=1, le=64, description="idle child processes kept for the next task")
    fleet_runner_user: str | None = Field(
        None, description="system user of child processes, for a pod that is root; none: nobody where that can be"
    )
    fleet_output_mb: int = Field(64, ge=1, le=4096, description="most that a child may print in one task")
    fleet_runner_processes: int = Field(256, ge=1, le=10_000, description="most processes of one orchestrator")
    fleet_model_prices: Path = Field(
        Path(__file__).resolve().parent / "calls" / "model_prices.yaml", description="USD per million tokens, by model"
    )
    fleet_model_patience_seconds: float = Field(
        20.0,
        ge=0,
        le=600,
        description="how long a model call waits in its pod for an endpoint that is overloaded or away; 0: not at all",
    )
    fleet_mcp_allow: list[IPvAnyNetwork] = Field(
        default=[],
        description="networks where MCP servers of tenants may be though they are private, as a JSON list such as "
        '`["10.1.0.0/16"]`; there plain http is allowed as well',
    )
    fleet_mcp_tools_seconds: float = Field(
        60.0, ge=0, le=86_400, description="how long a pod believes what an MCP server said its tools are"
    )
    fleet_limit_model_calls: int | None = Field(1000, ge=1, description="most model calls of one task; see limits.md")
    fleet_limit_tool_calls: int | None = Field(1000, ge=1, description="most tool calls of one task")
    fleet_limit_tokens: int | None = Field(None, ge=1, description="most tokens of one task, asked and answered")
    fleet_limit_cost_usd: Decimal | None = Field(None, gt=0, description="most US dollars of one task")
    fleet_limit_run_seconds: int | None = Field(None, ge=1, description="most seconds in pods of one task")
    fleet_limit_repeats: int | None = Field(
        10, ge=1, description="how often in a row the same call may be answered with the same"
    )
    fleet_limit_warning: float = Field(0.8, gt=0, le=1, description="share of a limit at which an event is written")
    fleet_limit_grace_seconds: float = Field(
        10.0, ge=0, le=600, description="how long an orchestrator may take to end when a limit has stopped it"
    )
    fleet_gateway_port: int = Field(0, ge=0, le=65_535, description="loopback port of the two endpoints; 0: any")
    fleet_health_host: str = Field("127.0.0.1", description="address of health and metrics")
    fleet_health_port: int = Field(0, ge=0, le=65_535, description="port of health and metrics; 0: any")
