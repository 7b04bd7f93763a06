"""Faults on a live server: clients that leave, a full house, a generator that dies."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from triton_rag_client import Delta, RagClient

pytestmark = pytest.mark.integration

LONG = {"max_tokens": 400, "temperature": 1.0, "stop": None}


def running_stream(client: RagClient, seed: int) -> Iterator[Delta]:
    """A stream that surely holds a slot: it has sent its first token."""
    stream = client.stream("Tell me all about decorators.", seed=seed, max_tokens=500, temperature=1.5)
    for delta in stream:
        if delta.answer_tokens:
            return stream
    raise AssertionError("the stream ended before its first token")


def test_a_client_that_leaves_in_mid_stream_frees_its_slot(client: RagClient, slots: int) -> None:
    streams = [running_stream(client, seed) for seed in range(slots)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: client.ask("What is a lambda?", max_tokens=4))
        streams.pop().close()
        assert waiting.result().answer_tokens
    # The seven others still hold their slots: only the one that was left can have served the answer.
    for stream in streams:
        assert next(stream).finish_reason is None
        stream.close()
