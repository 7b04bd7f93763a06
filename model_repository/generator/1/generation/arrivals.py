"""The door of the engine: requests come in from any thread, and the engine's own takes them.

A bounded number is in flight at once, waiting or running; who comes when there is no room is refused at once,
and so is everybody once the door is closed. While nothing is in flight, the engine's thread sleeps here.
"""

import threading
from collections import deque

from generation.errors import EngineClosedError, QueueFullError
from generation.request import Request


class Arrivals:
    """Who has come and is not gone.

    Args:
        slots: how many requests may run.
        max_queue: how many may wait beside them.
    """

    def __init__(self, slots: int, max_queue: int) -> None:
        self._slots = slots
        self._max_queue = max_queue
        self._changed = threading.Condition()
        self._waiting: deque[Request] = deque()  # guarded by _changed, like the two below
        self._in_flight = 0
        self._is_closed = False

    @property
    def in_flight(self) -> int:
        """How many requests came and have not ended."""
        return self._in_flight

    def add(self, request: Request) -> None:
        """Let a request in.

        Raises:
            QueueFullError: as many are in flight as may be.
            EngineClosedError: the door is closed.
        """
        with self._changed:
            self._check_room()
            self._in_flight += 1
            self._waiting.append(request)
            self._changed.notify_all()

    def take(self) -> deque[Request]:
        """Who has come since the last time, in order."""
        with self._changed:
            arrived, self._waiting = self._waiting, deque()
            return arrived

    def count_end(self) -> None:
        """Note that one of the requests in flight has ended."""
        with self._changed:
            self._in_flight -= 1

    def wait(self) -> bool:
        """Sleep until something is in flight; whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight > 0 or self._is_closed)
            return not self._is_closed

    def close(self) -> None:
        """Let nobody in any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _check_room(self) -> None:
        if self._is_closed:
            raise EngineClosedError("the generator is shutting down; ask again when it is back")
        if self._in_flight >= self._slots + self._max_queue:
            raise QueueFullError(
                f"{self._in_flight} requests run or wait; allowed: {self._slots} run and {self._max_queue} "
                "wait; ask again later"
            )
