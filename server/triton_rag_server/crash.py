"""Notices in a running server's log that it has crashed.

Tritonserver prints `Signal (6) received.` and its stack from a handler, and ends. But where the heap is
spoilt, the handler itself waits for ever for a lock of the heap: the process stays, its ports are open, and
whatever needs that part of memory is never answered (seen on 2.51).
"""

import re
from pathlib import Path

__all__ = ["CrashWatch"]

_CRASH = re.compile(rb"^Signal \((4|6|7|8|11)\) received\.", re.MULTILINE)  # SIGILL, ABRT, BUS, FPE, SEGV


class CrashWatch:
    """Reads what was added to a log since the last look.

    Args:
        log_file: The server's output, which only grows.
    """

    def __init__(self, log_file: Path) -> None:
        self._log_file = log_file
        self._read_bytes = 0
        self._line = b""  # the last one, which may not be whole yet

    def look(self) -> int | None:
        """The signal of a crash that was told of since the last look, or None."""
        try:
            with self._log_file.open("rb") as log:
                log.seek(self._read_bytes)
                added = log.read()
        except OSError:
            return None  # somebody took the log away: no reason to end the server
        self._read_bytes += len(added)
        text = self._line + added
        self._line = text[text.rfind(b"\n") + 1 :]
        found = _CRASH.search(text)
        return int(found[1]) if found else None
