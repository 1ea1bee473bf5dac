"""What came of each request: the answer with its sources, the way it took, and what it cost."""

from datetime import datetime
from typing import Any

from rich.markdown import Markdown
from rich.panel import Panel

from fleet.api_client import ApiClient
from fleet.console import out
from fleet.demo.run import Run

_SHOWN = {
    "TASK_CLAIMED": "claimed",
    "TASK_DRAFTED": "drafted",
    "TASK_SUBMITTED": "submitted",
    "TASK_COMPLETED": "done",
    "TASK_RETRIED": "retried",
    "TASK_RECLAIMED": "reclaimed",
    "DOCUMENT_SAVED": "saved",
    "INCIDENT": "INCIDENT",
}


def report(api: ApiClient, runs: list[Run]) -> int:
    """Print each run; returns how many are COMPLETED."""
    pods = {f"pod:{pod['pod_id']}": pod["name"] for pod in api.get("/pods")["items"]}
    for run in runs:
        events = api.get(f"/instances/{run.instance_id}/events", limit=500)["items"]
        out.print(Panel(run.request.request, style="bold", expand=True))
        variables = run.instance["variables"]
        out.print(Markdown(str(variables.get("answer") or run.instance.get("error") or "(no answer)")))
        for source in variables.get("sources") or []:
            out.print(f"  source: {_source(source)}", highlight=False, markup=False)
        out.print("  " + _timeline(events, pods), highlight=False, markup=False, style="dim")
        out.print("  " + _cost(run.instance["cost"]) + "\n", highlight=False, markup=False, style="dim")
    return sum(run.instance.get("status") == "COMPLETED" for run in runs)


def _source(source: Any) -> str:
    if not isinstance(source, dict):
        return str(source)
    quote = " ".join(str(source.get("quote") or "").split())
    return f"{source.get('title') or source.get('document_id')}" + (f": “{quote[:160]}”" if quote else "")


def _timeline(events: list[dict[str, Any]], pods: dict[str, str]) -> str:
    first = datetime.fromisoformat(events[0]["timestamp"])
    parts = ["+0.0 s started"]
    for event in events:
        if event["event_type"] in _SHOWN:
            at = (datetime.fromisoformat(event["timestamp"]) - first).total_seconds()
            who = f" ({pods[event['actor']]})" if event["actor"] in pods else ""
            parts.append(f"+{at:.1f} s {event['message']} {_SHOWN[event['event_type']]}{who}")
    return " → ".join(parts)


def _cost(cost: dict[str, Any]) -> str:
    money = "price unknown" if cost["cost_usd"] is None else f"USD {float(cost['cost_usd']):.4f}"
    tokens = f"{cost['input_tokens']} + {cost['output_tokens']} tokens"
    return f"{cost['model_calls']} model calls, {cost['tool_calls']} tool calls, {tokens}, {money}"
