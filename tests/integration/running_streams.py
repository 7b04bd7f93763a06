"""Long streams that hold the slots of a live server, each read by a thread of its own."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing

import pytest
from triton_rag_client import Delta, RagClient, RagError

Start = Callable[..., list["RunningStream"]]


class EndedTooEarlyError(Exception):
    """A stream ended before what was waited for."""


class RunningStream:
    """A stream that is read as fast as it comes, until it ends or is left.

    Args:
        client: who asks.
        seed: of the answer, which is long: no model means to end at this temperature.
    """

    def __init__(self, client: RagClient, seed: int) -> None:
        self.error: RagError | None = None
        self.last: Delta | None = None
        self._taken: Future[Delta] = Future()
        self._first_token: Future[Delta] = Future()
        self._is_left = threading.Event()
        self._deltas = client.stream(
            "Tell me all about decorators.", seed=seed, max_tokens=500, temperature=2.0, passages_k=1
        )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it has neither ended nor failed."""
        return self._thread.is_alive()

    def wait_until_taken(self) -> None:
        """Wait for the first delta: the server has the request, in a slot or in the queue.

        Raises:
            EndedTooEarlyError: there was none.
            RagError: the stream failed before.
        """
        self._taken.result()

    def wait_until_it_has_a_slot(self) -> None:
        """Wait for the first token.

        Raises:
            EndedTooEarlyError: there was none.
            RagError: the stream failed before.
        """
        self._first_token.result()

    def wait_until_it_ended(self) -> None:
        """Wait for the last delta, or an error."""
        self._thread.join()

    def leave(self) -> None:
        """Stop to listen, as a client that goes away."""
        self._is_left.set()
        self._thread.join()

    def _read(self) -> None:
        try:
            with closing(self._deltas) as deltas:
                for delta in deltas:
                    self._keep(delta)
                    if self._is_left.is_set():
                        return
        except RagError as error:
            self.error = error
        finally:
            for waited_for in (self._taken, self._first_token):
                if not waited_for.done():
                    waited_for.set_exception(self.error or EndedTooEarlyError(f"the last was {self.last}"))

    def _keep(self, delta: Delta) -> None:
        self.last = delta
        if not self._taken.done():
            self._taken.set_result(delta)
        if delta.answer_tokens and not self._first_token.done():
            self._first_token.set_result(delta)


@pytest.fixture
def start_streams() -> Iterator[Start]:
    """Start so many streams of a client; each has a slot, unless told not to wait for it."""
    started: list[RunningStream] = []

    def start(client: RagClient, count: int, *, with_a_slot: bool = True) -> list[RunningStream]:
        streams = [RunningStream(client, seed) for seed in range(count)]
        started.extend(streams)
        for stream in streams:
            stream.wait_until_it_has_a_slot() if with_a_slot else stream.wait_until_taken()
        return streams

    yield start
    for stream in started:
        stream.leave()
