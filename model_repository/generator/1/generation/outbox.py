"""Sends answers from a thread of its own, so that the engine's next step need not wait until they are sent.

Handing a response to Triton takes a message to another process and back, about a millisecond: eight answers
would hold every step up by a fifth. While the model runs, the engine's thread needs no Python, and what the
step before has written can go out. A sink that is slower than the engine gets fewer and longer deltas.
"""

import logging
import threading
from collections import deque
from typing import Self

from generation.delta import Delta, Sink
from generation.errors import GenerationError, StepError

logger = logging.getLogger(__name__)


class Outbox:
    """A thread that sends; each sink gets what is its own in order. A context manager, closed at the end."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[PostedSink] = deque()  # sinks with something to send; guarded by _changed
        self._is_closed = False
        self._thread = threading.Thread(target=self._loop, name="generation-outbox", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def posted(self, sink: Sink) -> "PostedSink":
        """A sink that never waits: what it takes is sent to `sink` from the outbox's thread."""
        return PostedSink(self, sink)

    def close(self) -> None:
        """Send what is left, and stop the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def post(self, sink: "PostedSink", item: Delta | GenerationError) -> None:
        """Let a sink's next piece wait; joined to the piece before it when that has not gone yet."""
        with self._changed:
            if not sink.pending:
                self._waiting.append(sink)
                self._changed.notify_all()
            last = sink.pending[-1] if sink.pending else None
            if isinstance(last, Delta) and isinstance(item, Delta):
                sink.pending[-1] = last.joined(item)
            else:
                sink.pending.append(item)

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if not self._waiting:
                    return
                sink = self._waiting.popleft()
                items, sink.pending = sink.pending, []
            for item in items:
                sink.deliver(item)


class PostedSink:
    """The sink that the engine sees.

    Attributes:
        pending: what was posted and not yet sent; guarded by the outbox's lock.
    """

    def __init__(self, outbox: Outbox, sink: Sink) -> None:
        self.pending: list[Delta | GenerationError] = []
        self._outbox = outbox
        self._sink = sink
        self._reason: StepError | None = None

    def send(self, delta: Delta) -> None:
        """Post what is new."""
        self._outbox.post(self, delta)

    def fail(self, error: GenerationError) -> None:
        """Post the reason why there will be no more."""
        self._outbox.post(self, error)

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more, or a piece of it could not be delivered."""
        return self._reason is not None or self._sink.is_cancelled()

    def deliver(self, item: Delta | GenerationError) -> None:
        """Send one piece, in the outbox's thread.

        After a piece that could not be sent, the engine finds the sink cancelled and fails it; only then,
        when it asks the sink nothing more, the sink is told the reason.
        """
        try:
            if isinstance(item, GenerationError):
                self._sink.fail(self._reason or item)
            elif self._reason is None:
                self._sink.send(item)
        except Exception as error:
            logger.warning("a piece of an answer could not be delivered", exc_info=True)
            self._reason = StepError(f"the answer could not be delivered ({error}); ask again")
            if isinstance(item, Delta) and item.finish_reason:  # the engine has done with it already
                self.fail(self._reason)
