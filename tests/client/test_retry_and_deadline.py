"""All four shells: what is sent again, when a request ends, and that the server notices who leaves."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted_servers.script import (
    ScriptedError,
    TrickledBody,
    TrickledHead,
    Wait,
    answer_outputs,
    delta_outputs,
    embedding_outputs,
)
from triton_rag_client import (
    AsyncRagClient,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidRequestError,
    ProtocolError,
    RagClient,
    RetryPolicy,
    ServerError,
    UnavailableError,
)

AT_ONCE = RetryPolicy(attempts=4, first_pause_s=0.0, longest_pause_s=0.0)


def failing_first(times, code, then):
    """A behaviour that refuses so many requests and then does as `then`."""
    count = iter(range(times))

    def behave(seen):
        if next(count, None) is not None:
            raise ScriptedError(code, f"Exceeds maximum queue size ({code})")
        return then(seen)

    return behave


def test_a_server_that_is_unavailable_is_asked_again(ask_with, script):
    script.infer = failing_first(2, "UNAVAILABLE", lambda seen: answer_outputs("at last"))
    assert ask_with(retry=AT_ONCE).call("ask", "q").text == "at last"
    assert len(script.requests) == 3


def test_a_stream_that_is_refused_as_unavailable_is_asked_for_again(ask_with, script):
    script.stream = failing_first(2, "UNAVAILABLE", lambda seen: delta_outputs("at ", "last"))
    assert [delta.text for delta in ask_with(retry=AT_ONCE).deltas("q")] == ["at ", "last"]
    assert len(script.requests) == 3


def test_the_last_attempt_says_why(ask_with, script):
    script.infer = failing_first(9, "UNAVAILABLE", embedding_outputs)
    with pytest.raises(UnavailableError, match="maximum queue size"):
        ask_with(retry=AT_ONCE).call("embed", "q")
    assert len(script.requests) == 4


@pytest.mark.parametrize(
    ("code", "error"), [("INVALID_ARGUMENT", InvalidRequestError), ("INTERNAL", ServerError)]
)
def test_other_errors_are_never_sent_again(ask_with, script, code, error):
    script.infer = failing_first(1, code, embedding_outputs)
    with pytest.raises(error):
        ask_with(retry=AT_ONCE).call("embed", "q")
    assert len(script.requests) == 1


def test_a_step_that_failed_is_no_full_queue_on_either_wire(ask_with, script):
    def fails(seen):
        raise ScriptedError(
            "INTERNAL", "generation failed in this step (RuntimeError: the queue is full); ask again"
        )

    script.stream = script.infer = fails
    asker = ask_with(retry=AT_ONCE)
    with pytest.raises(ServerError, match="generation failed"):
        asker.deltas("q")
    with pytest.raises(ServerError, match="generation failed"):
        asker.call("ask", "q")
    assert len(script.requests) == 2


def test_a_stream_is_not_asked_for_again_after_its_first_delta(ask_with, script):
    def breaks(seen):
        yield next(delta_outputs("half", "never"))
        raise ScriptedError("UNAVAILABLE", "the generator was shut down; ask again")

    script.stream = breaks
    with pytest.raises(UnavailableError, match="shut down"):
        ask_with(retry=AT_ONCE).deltas("q")
    assert len(script.requests) == 1


def test_a_stream_that_ends_before_its_answer_is_an_error(ask_with, script):
    def ends(seen):
        yield next(delta_outputs("half", "never"))

    script.stream = ends
    with pytest.raises(ProtocolError, match="before the answer did"):
        ask_with().deltas("q")


@pytest.mark.parametrize("method", ["ask", "retrieve", "embed"])
def test_the_deadline_ends_a_request(ask_with, script, method):
    script.infer = lambda seen: Wait
    with pytest.raises(DeadlineExceededError, match=r"within 0\.1 s"):
        ask_with().call(method, "q", timeout_s=0.1)
    script.client_left.wait()
    assert 0 < script.requests[0].timeout_us <= 100_000


def test_the_deadline_ends_a_stream_that_has_begun(ask_with, script):
    def stalls(seen):
        yield next(delta_outputs("half", "never"))
        yield Wait

    script.stream = stalls
    with pytest.raises(DeadlineExceededError, match=r"within 0\.2 s"):
        ask_with().deltas("q", timeout_s=0.2)
    script.client_left.wait()


@pytest.mark.parametrize("url", ["http"], indirect=True)
@pytest.mark.parametrize("part", [TrickledHead, TrickledBody])
@pytest.mark.parametrize("is_connected", [False, True], ids=["new connection", "used connection"])
def test_the_deadline_ends_a_reply_that_comes_byte_by_byte(ask_with, script, part, is_connected):
    asker = ask_with()
    if is_connected:
        script.infer = embedding_outputs
        asker.call("embed", "q")
    script.infer = lambda seen: part
    with pytest.raises(DeadlineExceededError, match=r"within 0\.2 s"):
        asker.call("embed", "q", timeout_s=0.2)
    assert script.client_left.wait(30)


def test_a_deadline_that_is_not_ours_is_told_in_its_own_words(ask_with, script):
    def gives_up(seen):
        raise ScriptedError("DEADLINE_EXCEEDED", "upstream gave up after 1 s")

    script.infer = gives_up
    with pytest.raises(DeadlineExceededError, match=r"^upstream gave up after 1 s; .*proxy"):
        ask_with().call("embed", "q")


def test_the_deadline_is_one_for_all_attempts(ask_with, script):
    script.infer = failing_first(10**9, "UNAVAILABLE", embedding_outputs)
    with pytest.raises(DeadlineExceededError, match=r"the last attempt failed: .*maximum queue size"):
        ask_with(retry=RetryPolicy(10**6, 0.001, 0.001)).call("embed", "q", timeout_s=0.2)
    assert len(script.requests) > 1


def test_leaving_a_stream_cancels_it_on_the_server(ask_with, script):
    def goes_on(seen):
        yield next(delta_outputs("first", "never"))
        yield Wait

    script.stream = goes_on
    assert ask_with().first_delta("q").text == "first"
    assert script.client_left.wait(30)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_no_server_is_told_as_such(scheme, ask_with):
    # The discard port: nothing listens there.
    asker = type(ask_with())(f"{scheme}://127.0.0.1:9", retry=AT_ONCE)
    with pytest.raises(ConnectionFailedError, match="triton-rag serve"):
        asker.call("embed", "q")
    assert asker.call("ready") is False
    asker.close()


def test_cancelling_the_task_of_a_question_cancels_it_on_the_server(url, script):
    arrived = threading.Event()

    def waits(seen):
        arrived.set()
        return Wait

    async def ask_and_cancel():
        async with AsyncRagClient(url) as client:
            asking = asyncio.create_task(client.ask("q"))
            await asyncio.to_thread(arrived.wait)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await asyncio.to_thread(script.client_left.wait, 30)

    script.infer = waits
    asyncio.run(ask_and_cancel())


def test_dropping_a_stream_cancels_it_on_the_server(url, script):
    def goes_on(seen):
        yield next(delta_outputs("first", "never"))
        yield Wait

    script.stream = goes_on
    with RagClient(url) as client:
        for delta in client.stream("q"):
            assert delta.text == "first"
            break
        assert script.client_left.wait(30)


def test_many_threads_share_a_client(url, script):
    script.infer = lambda seen: answer_outputs(seen.inputs["QUERY"][0])
    script.stream = lambda seen: delta_outputs(str(seen.inputs["QUERY"]), "!")
    questions = [f"question {number}" for number in range(64)]

    def written(question):
        return "".join(delta.text for delta in client.stream(question))

    with RagClient(url) as client, ThreadPoolExecutor(16) as pool:
        answers = pool.map(client.ask, questions)
        streams = pool.map(written, questions)
        assert [answer.text for answer in answers] == questions
        assert all(question in text for question, text in zip(questions, streams, strict=True))


def test_an_event_loop_asks_many_questions_at_once(url, script):
    all_there = threading.Barrier(8)

    def together(seen):
        all_there.wait(30)
        return answer_outputs(seen.inputs["QUERY"][0])

    async def ask_all():
        async with AsyncRagClient(url) as client:
            return await asyncio.gather(*(client.ask(str(number)) for number in range(8)))

    script.infer = together
    assert [answer.text for answer in asyncio.run(ask_all())] == [str(number) for number in range(8)]
