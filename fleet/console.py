"""Where the command line writes: results to `out`, messages to `err`."""

from rich.console import Console

out = Console()
err = Console(stderr=True)
