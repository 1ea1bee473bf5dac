"""Orchestrators as child processes: what there is, its environment, and one that runs."""
