"""Commands that stop and repair work."""
