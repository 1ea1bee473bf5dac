"""Benchmarks: measured side by side with plain PostgreSQL in one run, on one server."""
