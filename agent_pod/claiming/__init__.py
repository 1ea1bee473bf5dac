"""The loop of a pod: claim, hold the lease, run, end."""
