"""What routes do that takes more than one call of the kernel."""
