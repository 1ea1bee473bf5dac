"""What a deliverer counts, and the outbox as it is at the scrape."""

from collections.abc import Iterable, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kernel.notification_models import OutboxDepth

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60)
_GAUGES = (
    ("outbox_due", "Deliveries that may be sent now; counting stops at 1000.", "due"),
    ("outbox_scheduled", "Deliveries that wait for their time; counting stops at 1000.", "scheduled"),
    ("outbox_sending", "Deliveries under a lease; counting stops at 1000.", "sending"),
    ("outbox_dead", "Deliveries that ended DEAD within a month; counting stops at 1000.", "dead"),
    ("outbox_oldest_due_seconds", "How long the oldest delivery has been due.", "oldest_due_seconds"),
)


class DeliveryMetrics:
    """Prometheus metrics in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.deliveries = Counter(
            "deliveries", "Attempts by what they led to.", ["channel", "outcome"], registry=self._registry
        )
        self.seconds = Histogram(
            "delivery_seconds", "Time of an attempt.", ["channel"], buckets=_SECONDS, registry=self._registry
        )

    def render(self, depths: Sequence[OutboxDepth] | None) -> bytes:
        """Prometheus' text format. `depths`: None where the database did not answer; then its gauges are left out."""
        outbox = CollectorRegistry()
        outbox.register(_Outbox(depths or ()))
        return generate_latest(outbox) + generate_latest(self._registry)


class _Outbox(Collector):
    def __init__(self, depths: Sequence[OutboxDepth]):
        self._depths = depths

    def collect(self) -> Iterable[GaugeMetricFamily]:
        if not self._depths:
            return
        for name, words, field in _GAUGES:
            gauge = GaugeMetricFamily(name, words, labels=["channel"])
            for depth in self._depths:
                gauge.add_metric([depth.channel], getattr(depth, field))
            yield gauge
