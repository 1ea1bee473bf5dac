"""openai-action: one agent that calls tools until it can answer (see __main__.py)."""
