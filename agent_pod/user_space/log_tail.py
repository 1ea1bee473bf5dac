"""The end of what a child process printed: enough to explain an incident, never more than a page."""

_KEPT_BYTES = 8192


class LogTail:
    """Keeps the last 8 KiB and counts the rest."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self.written = 0

    def add(self, data: bytes) -> None:
        """Take in more output."""
        self.written += len(data)
        self._tail += data
        del self._tail[:-_KEPT_BYTES]

    def reset(self) -> None:
        """Forget everything: a new task begins."""
        self._tail.clear()
        self.written = 0

    @property
    def text(self) -> str:
        """The kept output as text without NUL, which PostgreSQL cannot hold."""
        return self._tail.decode("utf-8", errors="replace").replace("\0", "\N{SYMBOL FOR NULL}").strip()

    @property
    def last_line(self) -> str:
        """The last line that says something, at most 200 characters."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1][:200] if lines else ""
