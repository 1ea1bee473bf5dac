"""What a run does, by its seed: which instances are started when, and what each begins with."""

import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROCESSES = Path(__file__).with_name("processes")
FAULTS = (
    "kill_pod", "freeze_pod", "kill_orchestrator", "kill_api", "restart_database", "cut_connections", "jump_clock",
    "kill_effects", "kill_deliverer", "429", "500", "drop", "hang", "effect_500", "effect_drop", "effect_hang",
    "ends_500", "ends_drop",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A run: `seconds` is how long faults are thrown, `pods` how many there are; afterwards nothing may rest for longer
    than `calm_seconds` until all is done."""

    seed: str
    instances: int
    seconds: float
    pods: int = 4
    faults: tuple[str, ...] = FAULTS
    lease_seconds: int = 8
    calm_seconds: float = 120.0

    def dice(self, name: str) -> random.Random:
        """Dice of their own for each purpose, so that one more throw of one changes no other."""
        return random.Random(f"{self.seed} {name}")

    def starts(self) -> list["Start"]:
        """The instances, in the order in which they are started; the last third of the time starts none."""
        dice = self.dice("instances")
        definitions = sorted(file.stem for file in PROCESSES.glob("*.bpmn"))
        starts = []
        for number in range(self.instances):
            items = [f"item{n}" for n in range(dice.randint(3, 5))]
            key = f"{self.seed}-{number}"
            at = dice.uniform(0, self.seconds * 2 / 3)
            starts.append(Start(key, dice.choice(definitions), at, {"key": key, "items": items}))
        return sorted(starts, key=lambda start: start.at)


@dataclass(frozen=True)
class Start:
    """One instance: `at` seconds after the beginning, of process `definition`, with `variables`."""

    key: str
    definition: str
    at: float
    variables: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """For the log of the run."""
        return asdict(self)
