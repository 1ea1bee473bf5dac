"""Commands about limits: extend, tenant-limits and budget."""

from decimal import Decimal
from typing import Annotated

import typer
from pydantic import ValidationError

from fleet.connection import DEFAULT_DATA
from fleet.console import out, show
from fleet.options import AsJson, Data, open_api
from kernel.errors import SettingsInvalid
from kernel.limit_models import DAY, MONTH, PeriodBudget
from kernel.migrate import set_tenant_limits
from kernel.models import Limits
from kernel.settings import Settings, read_settings

_Count = Annotated[int | None, typer.Option(min=1)]
_Dollars = Annotated[str | None, typer.Option(help="An amount of US dollars such as 2.50.", metavar="USD")]
_COLUMNS = ["period", "tokens", "most_tokens", "cost_usd", "most_cost_usd", "ends_at"]


def add_to(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command()(extend)
    app.command(name="tenant-limits")(tenant_limits)
    app.command()(budget)


def extend(
    task: str,
    reason: Annotated[str, typer.Option(help="Why; written to events.")],
    model_calls: _Count = None,
    tool_calls: _Count = None,
    tokens: _Count = None,
    cost_usd: _Dollars = None,
    run_seconds: _Count = None,
    repeats: _Count = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Let a task use so much more, and take it up again where a limit has stopped it."""
    limits = _limits(model_calls, tool_calls, tokens, cost_usd, run_seconds, repeats)
    with open_api(data) as api:
        answer = api.post(f"/tasks/{task}/extend", {"limits": limits.given(), "reason": reason})
    out.print(f"{answer['task_id']} {answer['status']}", highlight=False)


def tenant_limits(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    model_calls: _Count = None,
    tool_calls: _Count = None,
    tokens: _Count = None,
    cost_usd: _Dollars = None,
    run_seconds: _Count = None,
    repeats: _Count = None,
    day_tokens: Annotated[int | None, typer.Option(min=1, help="Of all its tasks in a day of UTC.")] = None,
    day_cost_usd: _Dollars = None,
    month_tokens: Annotated[int | None, typer.Option(min=1, help="Of all its tasks in a month of UTC.")] = None,
    month_cost_usd: _Dollars = None,
) -> None:
    """Set what each task of a tenant may use, and its budget for a day and a month, in the database of DATABASE_URL.
    Options not given are reset: any amount."""
    each = _limits(model_calls, tool_calls, tokens, cost_usd, run_seconds, repeats)
    periods = {
        DAY: PeriodBudget(tokens=day_tokens, cost_usd=_dollars("--day-cost-usd", day_cost_usd)),
        MONTH: PeriodBudget(tokens=month_tokens, cost_usd=_dollars("--month-cost-usd", month_cost_usd)),
    }
    given = {period: amounts for period, amounts in periods.items() if amounts != PeriodBudget()}
    set_tenant_limits(read_settings(Settings).postgres_url, tenant, each, given)
    for what, amounts in (("each task", each), *given.items()):
        said = ", ".join(f"{kind} {most}" for kind, most in amounts if most is not None) or "any amount"
        out.print(f"{tenant}: {what}: {said}", highlight=False)


def budget(as_json: AsJson = False, data: Data = DEFAULT_DATA) -> None:
    """Show the tenant's budget and what it has used of it in this day and month."""
    with open_api(data) as api:
        told = api.get("/budget")
    show([{"period": period, **told[period]} for period in (DAY, MONTH)], as_json, _COLUMNS, "periods")


def _limits(
    model_calls: int | None,
    tool_calls: int | None,
    tokens: int | None,
    cost_usd: str | None,
    run_seconds: int | None,
    repeats: int | None,
) -> Limits:
    return Limits(
        model_calls=model_calls,
        tool_calls=tool_calls,
        tokens=tokens,
        cost_usd=_dollars("--cost-usd", cost_usd),
        run_seconds=run_seconds,
        repeats=repeats,
    )


def _dollars(option: str, text: str | None) -> Decimal | None:
    try:
        amount = PeriodBudget(cost_usd=text).cost_usd  # type: ignore[arg-type]
    except ValidationError:
        amount = Decimal(0)
    if amount is not None and not (amount.is_finite() and amount > 0):
        raise SettingsInvalid(f"{option}: {text!r} is no amount above 0. Give one such as 2.50.")
    return amount
