"""One HTTP client for both endpoints of a task: they take the same token."""

import ssl
from functools import cache

import httpx2

from orchestrators import kit

# A call may take as long as the pod lets it: the pod limits the run, so reading has no limit of its own here.
TIMEOUT = httpx2.Timeout(30, read=None)


def open_http(task: kit.Task) -> httpx2.AsyncClient:
    """Return a client that sends the task's token; use it in a `with` block."""
    return httpx2.AsyncClient(headers={"Authorization": f"Bearer {task.token}"}, timeout=TIMEOUT, verify=_tls())


@cache
def _tls() -> ssl.SSLContext:
    # Loading the certificates costs more than the rest of a short task, so a warm process does it once.
    return httpx2.create_ssl_context()
