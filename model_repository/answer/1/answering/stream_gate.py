"""The one door through which streams of responses are opened, and closed when they have been read."""

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["StreamGate"]

Stream = TypeVar("Stream", bound=Iterable[object])


class StreamGate:
    """Lets one thread at a time do what spoils the heap of Triton 2.51 when two do it at once.

    Of the streams that a Python model reads, Triton holds two records, and guards neither:

    - The server keeps what belongs to an open stream in a map without a lock. A thread of a pool puts a
      stream in before `exec` returns; another takes it out when the model's process says that it was read.
    - That process keeps the stream too, and lets go of it on a thread that lacks the GIL. Is its hold the
      last one, the arrays of all responses are freed beside running Python.

    Either ends in `double free or corruption`, `unaligned fastbin chunk`, or a server that answers no more.
    So streams are opened and closed under one lock, and an opening waits until all that was closed before is
    out of both records: the process sends its messages to the server in order and waits for each, so that by
    the answer to `is_cancelled` everything before it is done. Until then a stream that was read is kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: list[object] = []  # closed, and perhaps not yet out of the records; guarded by _lock

    def open(self, is_cancelled: Callable[[], bool], start: Callable[[], Stream]) -> Stream | None:
        """Open a stream, unless nobody wants it any more.

        Args:
            is_cancelled: asks the server about the request; once it was true it is answered from memory, and
                must not be given again.
            start: opens the stream; its first response should not be long in coming, since all others wait.
        """
        with self._lock:
            return None if self._settled(is_cancelled) else start()

    def close(self, stream: Iterable[object]) -> None:
        """Read the final response of a stream, which should be all that is left of it."""
        with self._lock:
            self._read_out(stream)

    def run_if_cancelled(
        self, is_cancelled: Callable[[], bool], start: Callable[[], Iterable[object]]
    ) -> bool:
        """Open and close a short stream if a request was cancelled.

        Args:
            is_cancelled: as of `open`.
            start: opens the stream.

        Returns:
            Whether it was.
        """
        with self._lock:
            if not self._settled(is_cancelled):
                return False
            self._read_out(start())
            return True

    def _settled(self, is_cancelled: Callable[[], bool]) -> bool:
        answer = is_cancelled()
        self._read.clear()
        return answer

    def _read_out(self, stream: Iterable[object]) -> None:
        for _ in stream:
            pass
        self._read.append(stream)
