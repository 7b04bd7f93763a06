"""The outbox: answers leave on a thread of its own, in order, and one that cannot leave harms no other."""

import threading

import pytest
from generation import (
    AnswerCollector,
    CancelledError,
    Delta,
    GenerationError,
    Outbox,
    QueueFullError,
    StepError,
    TokenLogprob,
)


class HeldSink(AnswerCollector):
    """A collector whose first delta is taken only when it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_entered = threading.Event()
        self.may_go_on = threading.Event()

    def send(self, delta: Delta) -> None:
        self.is_entered.set()
        assert self.may_go_on.wait(60)
        super().send(delta)


class BrokenSink(AnswerCollector):
    """A collector that takes no delta, and keeps why it ended."""

    error: GenerationError | None = None

    def send(self, delta: Delta) -> None:
        raise OSError("nobody is there")

    def fail(self, error: GenerationError) -> None:
        self.error = error


def word(text: str, answer_tokens: int, *logprobs: TokenLogprob, is_last: bool = False) -> Delta:
    return Delta(text, "stop" if is_last else "", 5, answer_tokens, logprobs)


def test_what_waits_while_a_sink_is_busy_goes_out_as_one_delta() -> None:
    sink = HeldSink()
    with Outbox() as outbox:
        posted = outbox.posted(sink)
        posted.send(word("", 0))
        sink.is_entered.wait()
        posted.send(word("How", 1, TokenLogprob(8, -0.5)))
        posted.send(word(" are", 2))
        posted.send(word(" you?", 3, TokenLogprob(9, -1.5), TokenLogprob(8, 0.0), is_last=True))
        sink.may_go_on.set()
    logprobs = (TokenLogprob(8, -0.5), TokenLogprob(9, -1.5), TokenLogprob(8, 0.0))
    assert sink.deltas == [word("", 0), word("How are you?", 3, *logprobs, is_last=True)]


def test_a_busy_sink_does_not_hold_up_who_posts() -> None:
    sink = HeldSink()
    with Outbox() as outbox:
        outbox.posted(sink).send(word("a", 1))
        outbox.posted(sink).send(word("b", 1))  # returns although nothing was taken yet
        assert sink.deltas == []
        sink.may_go_on.set()
    assert len(sink.deltas) == 2


def test_a_sink_that_raises_counts_as_gone_is_told_why_when_it_ends_and_harms_no_neighbour() -> None:
    broken, sound = BrokenSink(), AnswerCollector()
    with Outbox() as outbox:
        posted = outbox.posted(broken)
        posted.send(word("lost", 1))
        outbox.posted(sound).send(word("fine", 1, is_last=True))
        sound.answer()
        assert posted.is_cancelled()
        assert broken.error is None  # the engine may still ask it whether it is cancelled
        posted.fail(CancelledError("the engine found it cancelled"))
    assert isinstance(broken.error, StepError)
    assert "nobody is there" in str(broken.error)
    assert sound.answer().text == "fine"


def test_a_sink_that_raises_at_the_last_piece_is_told_why_at_once() -> None:
    broken = BrokenSink()
    with Outbox() as outbox:
        outbox.posted(broken).send(word("lost", 1, is_last=True))
    assert isinstance(broken.error, StepError)


def test_an_error_comes_after_the_text_before_it() -> None:
    sink = HeldSink()
    with Outbox() as outbox:
        posted = outbox.posted(sink)
        posted.send(word("begun", 1))
        posted.fail(QueueFullError("no room"))
        sink.may_go_on.set()
    assert sink.deltas == [word("begun", 1)]
    with pytest.raises(QueueFullError, match="no room"):
        sink.answer()


def test_closing_sends_what_is_left() -> None:
    sinks = [AnswerCollector() for _ in range(20)]
    outbox = Outbox()
    for number, sink in enumerate(sinks):
        outbox.posted(sink).send(word(str(number), 1, is_last=True))
    outbox.close()
    assert [sink.answer().text for sink in sinks] == [str(number) for number in range(20)]


def test_a_sink_that_its_reader_left_is_cancelled() -> None:
    sink = AnswerCollector()
    with Outbox() as outbox:
        posted = outbox.posted(sink)
        assert not posted.is_cancelled()
        sink.cancel()
        assert posted.is_cancelled()
