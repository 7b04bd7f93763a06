"""All four shells: what a client does when it is closed, and after, ends in `RequestCancelledError`."""

from __future__ import annotations

import threading

import pytest
from scripted_servers.script import ScriptedError, Wait, delta_outputs, embedding_outputs
from triton_rag_client import RequestCancelledError, RetryPolicy

CLOSED = "this client is closed; make a new one"


@pytest.fixture
def arrived() -> threading.Event:
    """Set by a script once a request is with the server."""
    return threading.Event()


def one_delta_and_wait(seen):
    yield next(delta_outputs("first", "never"))
    yield Wait


def test_a_closed_client_says_so(ask_with):
    asker = ask_with()
    asker.call("close")
    for method in ("embed", "ask", "retrieve"):
        with pytest.raises(RequestCancelledError, match=CLOSED):
            asker.call(method, "q")
    for method in ("ready", "metadata"):
        with pytest.raises(RequestCancelledError, match=CLOSED):
            asker.call(method)
    with pytest.raises(RequestCancelledError, match=CLOSED):
        asker.deltas("q")


def test_closing_a_used_client_twice_is_harmless(ask_with, script):
    script.infer = embedding_outputs
    asker = ask_with()
    asker.call("embed", "q")
    asker.call("close")
    asker.call("close")
    with pytest.raises(RequestCancelledError, match=CLOSED):
        asker.call("embed", "q")


@pytest.mark.parametrize("method", ["ask", "embed"])
@pytest.mark.parametrize("is_connected", [False, True], ids=["new connection", "used connection"])
def test_a_request_under_way_ends_when_the_client_is_closed(ask_with, script, arrived, method, is_connected):
    def waits(seen):
        arrived.set()
        return Wait

    asker = ask_with()
    if is_connected:
        script.infer = embedding_outputs
        asker.call("embed", "q")
    script.infer = waits
    with pytest.raises(RequestCancelledError, match=CLOSED):
        asker.call_and_close(arrived, method, "q", timeout_s=600)
    assert script.client_left.wait(30)


def test_a_stream_that_waits_for_its_next_delta_ends_when_the_client_is_closed(ask_with, script, arrived):
    def stalls(seen):
        yield next(delta_outputs("first", "never"))
        arrived.set()
        yield Wait

    script.stream = stalls
    with pytest.raises(RequestCancelledError, match=CLOSED):
        ask_with().deltas_and_close(arrived, "q", timeout_s=600)
    assert script.client_left.wait(30)


@pytest.mark.parametrize("reads_before", [0, 1])
def test_a_stream_from_before_cannot_be_read_after(ask_with, script, reads_before):
    script.stream = one_delta_and_wait
    with pytest.raises(RequestCancelledError, match=CLOSED):
        ask_with().delta_after_close("q", reads_before=reads_before, timeout_s=600)
    assert len(script.requests) == reads_before


def test_a_pause_before_the_next_attempt_ends_when_the_client_is_closed(ask_with, script, arrived):
    def refuses(seen):
        arrived.set()
        raise ScriptedError("UNAVAILABLE", "Exceeds maximum queue size")

    script.infer = refuses
    asker = ask_with(retry=RetryPolicy(attempts=9, first_pause_s=1e6, longest_pause_s=1e6))
    with pytest.raises(RequestCancelledError, match=CLOSED):
        asker.call_and_close(arrived, "embed", "q", timeout_s=1e7)
    assert len(script.requests) == 1
