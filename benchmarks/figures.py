"""What a benchmark tells: figures, each beside what it is compared with in the same run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`value` in `unit`; `beside` is the same measure of `what`, so that value / beside is the ratio."""

    name: str
    value: float
    unit: str
    beside: float | None = None
    what: str = ""

    @property
    def ratio(self) -> float | None:
        """value / beside."""
        return self.value / self.beside if self.beside else None


def percentile(values: list[float], percent: int) -> float:
    """The value below which `percent` of 100 lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * len(ordered)))]
