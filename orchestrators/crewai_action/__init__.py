"""crewai-action: a CrewAI crew, in an environment of its own (see run.py)."""
