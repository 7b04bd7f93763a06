"""One whole answer out of a stream of deltas."""

import pytest
from answering import Delta, GatheredAnswer, IncompleteStreamError, gather


def delta(text: bytes, tokens: int, reason: str = "") -> Delta:
    return Delta(text, reason, prompt_tokens=9, answer_tokens=tokens)


def test_texts_are_joined_and_the_counts_are_the_last_ones() -> None:
    answer = gather([delta(b"", 0), delta(b"two ", 1), delta(b"words", 3, "length")])
    assert answer == GatheredAnswer(b"two words", "length", prompt_tokens=9, answer_tokens=3)


def test_nothing_is_read_after_the_finish_reason() -> None:
    deltas = iter([delta(b"a", 1, "stop"), delta(b"b", 2)])
    assert gather(deltas).text == b"a"
    assert next(deltas).text == b"b"


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_stream_without_a_finish_reason_is_no_answer(count: int) -> None:
    with pytest.raises(IncompleteStreamError, match=f"after {count} responses"):
        gather(delta(b"x", 1) for _ in range(count))
