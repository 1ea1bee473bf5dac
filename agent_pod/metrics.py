"""What a pod counts, in the vocabulary of the house; queue = orchestrator."""

from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600)


class PodMetrics:
    """Prometheus metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.task_wait_seconds = Histogram(
            "task_wait_seconds",
            "Time from creation of a task to its first claim.",
            ["queue"],
            buckets=_SECONDS,
            registry=r,
        )
        self.task_run_seconds = Histogram(
            "task_run_seconds", "Time from claim to end of a run.", ["queue"], buckets=_SECONDS, registry=r
        )
        self.task_outcomes = Counter("task_outcomes", "Ended runs by outcome.", ["queue", "outcome"], registry=r)
        self.failed_attempts = Counter(
            "failed_attempts", "Attempts that failed, by their class.", ["queue", "error_class"], registry=r
        )
        self.lease_lost = Counter("lease_lost", "Runs whose lease was lost before they ended.", registry=r)
        self.busy = Gauge("pod_busy", "1 while the pod works on a task.", registry=r)
        self.model_tokens = Counter("model_tokens", "Tokens of model calls.", ["model", "direction"], registry=r)
        self.model_cost_usd = Counter(
            "model_cost_usd", "Cost of model calls with a known price.", ["model"], registry=r
        )
        self.replayed_calls = Counter(
            "replayed_calls", "Calls that were answered from the journal.", ["kind"], registry=r
        )
        self.model_retries = Counter(
            "model_retries", "Model calls made again in place, by why.", ["error_class"], registry=r
        )
        self.tool_calls = Counter("tool_calls", "Tool calls by outcome.", ["tool", "outcome"], registry=r)
        self.limits_reached = Counter("limits_reached", "Runs that a limit stopped.", ["limit"], registry=r)

    def model_call(self, model: str, input_tokens: int, output_tokens: int, cost_usd: Decimal | None) -> None:
        """Count a model call; `cost_usd` None where the price is not known."""
        self.model_tokens.labels(model, "input").inc(input_tokens)
        self.model_tokens.labels(model, "output").inc(output_tokens)
        if cost_usd is not None:
            self.model_cost_usd.labels(model).inc(float(cost_usd))

    def tool_call(self, tool: str, ok: bool) -> None:
        """Count a tool call."""
        self.tool_calls.labels(tool, "ok" if ok else "error").inc()
