"""Commands about tenants: limits, budgets, webhooks."""
