"""What one run of a task knows: the task at hand, its calls, its limits, and how it ends."""
