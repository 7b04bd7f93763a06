"""Streams of responses that were read to their end, kept until Triton's own hold on them is gone."""

import threading
from collections.abc import Callable

__all__ = ["ReadStreams"]


class ReadStreams:
    """Keeps what Triton 2.51 would spoil the heap with.

    The stub of a Python model holds a stream of responses in a map of its own, and takes it out on a thread
    that lacks the GIL when the stream has been read. Is that hold the last one, the arrays of all responses
    are freed beside running Python: `double free or corruption`, or a crash anywhere later. So a stream is
    kept here until that thread, which handles its messages in order, has answered a later one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[object] = []

    def keep(self, stream: object) -> None:
        """Hold a stream that has been read to its end."""
        with self._lock:
            self._kept.append(stream)

    def release(self, is_cancelled: Callable[[], bool]) -> None:
        """Let go of what was kept before.

        Args:
            is_cancelled: the method of a request that was not asked yet: its first call waits for a message
                to the stub's thread and back (later ones may be answered from memory).
        """
        with self._lock:
            kept, self._kept = self._kept, []
        if kept:
            is_cancelled()
