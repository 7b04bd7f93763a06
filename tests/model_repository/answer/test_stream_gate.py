"""What must hold for Triton's heap: streams open and close one at a time, and are not let go of too early."""

import threading
import weakref
from collections.abc import Callable, Iterator

import pytest
from answering import StreamGate


class Stream:
    """Responses that can be read once; a weak reference to it can be held."""

    def __init__(self, responses: int = 1, on_read: Callable[[], None] = lambda: None) -> None:
        self._left = responses
        self._on_read = on_read

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self._on_read()
        if not self._left:
            raise StopIteration
        self._left -= 1
        return self._left


def wanted() -> bool:
    return False


def never_started() -> Stream:
    raise AssertionError("nobody wants this stream")


def test_an_opened_stream_is_given_as_it_is() -> None:
    stream = Stream()
    assert StreamGate().open(wanted, lambda: stream) is stream


def test_no_stream_is_opened_for_a_request_that_was_cancelled() -> None:
    assert StreamGate().open(lambda: True, never_started) is None


def test_closing_reads_what_is_left() -> None:
    stream = Stream(responses=2)
    StreamGate().close(stream)
    assert list(stream) == []


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_short_stream_is_run_for_a_cancelled_request_alone(is_cancelled: bool) -> None:
    stream = Stream(responses=2)
    assert StreamGate().run_if_cancelled(lambda: is_cancelled, lambda: stream) == is_cancelled
    assert len(list(stream)) == (0 if is_cancelled else 2)


@pytest.mark.parametrize("asking", ["open", "run_if_cancelled"])
def test_a_closed_stream_lives_until_the_server_has_answered_once_more(asking: str) -> None:
    gate, stream = StreamGate(), Stream()
    seen = weakref.ref(stream)
    gate.close(stream)
    del stream

    def round_trip() -> bool:
        assert seen() is not None
        return False

    getattr(gate, asking)(round_trip, Stream)
    assert seen() is None


def test_a_short_stream_lives_as_long_as_any() -> None:
    gate, stream = StreamGate(), Stream()
    seen = weakref.ref(stream)
    streams = [stream]
    del stream
    assert gate.run_if_cancelled(lambda: True, streams.pop)
    assert seen() is not None
    gate.open(wanted, Stream)
    assert seen() is None


def test_no_two_threads_open_close_or_ask_at_once() -> None:
    gate = StreamGate()
    inside: list[int] = []
    most: list[int] = []

    def busy() -> None:
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.0005)  # lets another thread run
        inside.pop()

    def busily_wanted() -> bool:
        busy()
        return False

    def busily_cancelled() -> bool:
        busy()
        return True

    def opened() -> Stream:
        busy()
        return Stream(on_read=busy)

    def answer() -> None:
        for _ in range(10):
            stream = gate.open(busily_wanted, opened)
            assert stream is not None
            gate.run_if_cancelled(busily_cancelled, opened)
            gate.close(stream)

    threads = [threading.Thread(target=answer) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 6 * 10 * (1 + 1 + 1 + 1 + 2 + 2)
    assert set(most) == {1}
