"""What must hold for Triton's heap: nobody lets go of a stream before the stub's thread has."""

import threading
import weakref

from answering import ReadStreams


class Stream:
    """A weak reference to it can be held."""


def never_asked() -> bool:
    raise AssertionError("nothing was kept, so there is nothing to wait for")


def test_a_stream_lives_until_the_round_trip_after_it_has_ended() -> None:
    streams, stream = ReadStreams(), Stream()
    seen = weakref.ref(stream)
    streams.keep(stream)
    del stream

    def round_trip() -> bool:
        assert seen() is not None
        return False

    streams.release(round_trip)
    assert seen() is None
    streams.release(never_asked)


def test_a_stream_that_ends_during_a_round_trip_waits_for_the_next() -> None:
    streams = ReadStreams()
    streams.keep(Stream())
    late = Stream()
    seen = weakref.ref(late)

    def round_trip() -> bool:
        nonlocal late
        streams.keep(late)
        del late
        return True

    streams.release(round_trip)
    assert seen() is not None
    streams.release(lambda: False)
    assert seen() is None


def test_streams_of_many_threads_are_all_let_go() -> None:
    streams = ReadStreams()
    seen: list[weakref.ref[Stream]] = []

    def answer() -> None:
        for _ in range(200):
            streams.release(lambda: False)
            stream = Stream()
            seen.append(weakref.ref(stream))
            streams.keep(stream)

    threads = [threading.Thread(target=answer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    streams.release(lambda: False)
    assert len(seen) == 800
    assert all(reference() is None for reference in seen)
