"""What Prometheus reads at /metrics: the queues as they are at the scrape, and the requests of this process."""

from collections.abc import Iterable, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import Scope

from execution_api.requests.problems import problem_word
from kernel.models import QueueDepth

CONTENT_TYPE = CONTENT_TYPE_LATEST
NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class HttpMetrics:
    """Counts requests in a registry of its own, so that several applications can live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests_total",
            "HTTP requests that were answered, by route template, method and status.",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self._problems = Counter(
            "problems_total",
            "Requests that were refused or failed, by the last word of the problem's type.",
            ["problem"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time from the arrival of an HTTP request to the end of its answer.",
            ["route", "method"],
            buckets=_SECONDS,
            registry=self._registry,
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answered request."""
        problem = problem_word(scope)
        if problem is not None:
            self._problems.labels(problem).inc()
        route, method = route_template(scope), scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def render(self, depths: Sequence[QueueDepth] | None) -> bytes:
        """The exposition in Prometheus' text format. `depths`: None where the database did not answer; then the
        gauges of the queues are absent, because a wrong 0 would scale the fleet down."""
        queues = CollectorRegistry()
        queues.register(_Queues(depths))
        return generate_latest(queues) + generate_latest(self._registry)


def route_template(scope: Scope) -> str:
    """The template of the route that answered, such as /tasks/{task_id}; `none` before and without a route."""
    return getattr(scope.get("route"), "path", NO_ROUTE)


class _Queues(Collector):
    def __init__(self, depths: Sequence[QueueDepth] | None):
        self._depths = depths

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "database_up", "1 where the database answered this scrape, else 0.", value=int(self._depths is not None)
        )
        if self._depths is None:
            return
        pending = GaugeMetricFamily(
            "pending_tasks", "Tasks ready to be claimed; counting stops at 1000.", labels=["queue"]
        )
        running = GaugeMetricFamily(
            "in_progress_tasks", "Tasks that a pod has claimed; counting stops at 1000.", labels=["queue"]
        )
        oldest = GaugeMetricFamily(
            "oldest_pending_seconds", "Age of the oldest task that is ready to be claimed.", labels=["queue"]
        )
        for depth in self._depths:
            pending.add_metric([depth.queue], depth.pending_tasks)
            running.add_metric([depth.queue], depth.in_progress_tasks)
            oldest.add_metric([depth.queue], depth.oldest_pending_seconds)
        yield from (pending, running, oldest)
