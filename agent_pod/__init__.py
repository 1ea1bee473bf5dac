"""The agent pod: claims one task at a time, runs its orchestrator as a child process, and watches its calls."""
