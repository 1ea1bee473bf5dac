"""What goes in and comes out about limits and budgets."""

from datetime import datetime

from pydantic import BaseModel, Field

from execution_api.bodies.rows import LimitsRequest, Money, Request
from kernel.limit_models import PeriodBudget, PeriodSpend, TenantLimits
from kernel.models import Limits


class ExtendRequest(Request):
    """Lets a task use more."""

    limits: LimitsRequest = Field(description="how much more of what; at least one")
    reason: str = Field(min_length=1, max_length=2000, description="why; written to the task's events")


class BudgetPeriod(BaseModel):
    """What all tasks of the tenant together may use in a day or month of UTC, and have used in the one at hand."""

    tokens: int = Field(description="used")
    cost_usd: Money
    most_tokens: int | None = Field(description="null: any number")
    most_cost_usd: Money | None
    ends_at: datetime

    @classmethod
    def of(cls, spent: PeriodSpend, budget: PeriodBudget) -> "BudgetPeriod":
        """Spend beside budget."""
        most = {"most_tokens": budget.tokens, "most_cost_usd": budget.cost_usd}
        return cls(tokens=spent.tokens, cost_usd=spent.cost_usd, ends_at=spent.ends_at, **most)  # type: ignore[arg-type]


class TenantBudget(BaseModel):
    """Limits of each task of the tenant, and the budget of all of them."""

    limits: Limits
    day: BudgetPeriod
    month: BudgetPeriod

    @classmethod
    def of(cls, told: TenantLimits) -> "TenantBudget":
        """What the database said, for readers."""
        periods = {
            name: BudgetPeriod.of(told.spent[name], told.budget.get(name, PeriodBudget())) for name in ("day", "month")
        }
        return cls(limits=told.limits, **periods)  # type: ignore[arg-type]
