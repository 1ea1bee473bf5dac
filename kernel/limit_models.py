"""What the database says about limits and budgets."""

from datetime import datetime
from decimal import Decimal

from kernel.models import Limits, Record

DAY, MONTH = "day", "month"


class PeriodBudget(Record):
    """What all tasks of a tenant together may use in a period; None: any amount."""

    tokens: int | None = None
    cost_usd: Decimal | None = None


class PeriodSpend(Record):
    """What they have used in the one at hand, which ends at `ends_at`."""

    ends_at: datetime
    tokens: int
    cost_usd: Decimal


class Budget(Record):
    """Budget and spend of a tenant, each by "day" and "month" (of UTC)."""

    budget: dict[str, PeriodBudget]
    spent: dict[str, PeriodSpend]


class TenantLimits(Budget):
    """The same with what each task may use."""

    limits: Limits


class Used(Record):
    """What the runs of a task used before this one."""

    model_calls: int
    tool_calls: int
    tokens: int
    cost_usd: Decimal
    run_seconds: float


class TaskLimits(Record):
    """What a run is held against: the limits by where they are from, what people `added`, of which kinds a warning was
    written, what was `used`, and the tenant's budget where it has one."""

    activity: Limits
    agent: Limits
    tenant: Limits
    added: Limits
    warned: list[str]
    used: Used
    budget: Budget | None


class Journalled(Record):
    """A call that was written: its id, and what has changed meanwhile about the limits of its task."""

    call_id: int
    added: Limits = Limits()
    budget: Budget | None = None
