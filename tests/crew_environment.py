"""The environment of crewai-action, made where it is not there yet: 300 MB of downloads, a gigabyte on the disk."""

from functools import cache
from pathlib import Path

from agent_pod.settings import PodSettings
from agent_pod.user_space import environments
from agent_pod.user_space.registry import OrchestratorDeclaration, read_orchestrators

ORCHESTRATORS = Path(__file__).resolve().parents[1] / "orchestrators"


@cache
def crew_declaration() -> OrchestratorDeclaration:
    """The declaration of crewai-action, ready to start."""
    declared = read_orchestrators(ORCHESTRATORS, ["crewai-action"])
    folder = PodSettings.model_fields["fleet_environments"].default
    return environments.equip(declared, folder, declared)[0]["crewai-action"]
