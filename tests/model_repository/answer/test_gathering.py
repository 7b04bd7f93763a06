"""One whole answer out of a stream of deltas."""

import numpy as np
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


def test_tokens_are_those_of_all_deltas() -> None:
    deltas = [
        Delta(b"", "", 9, 0),
        Delta(b"a", "", 9, 2, (5, 6), (-0.5, -1.5)),
        Delta(b"", "", 9, 2),
        Delta(b"b", "length", 9, 3, (5,), (-0.25,)),
    ]
    answer = gather(deltas)
    assert answer == GatheredAnswer(b"ab", "length", 9, 3, (5, 6, 5), (-0.5, -1.5, -0.25))
    assert answer.outputs()["TOKEN_IDS"].tolist() == [[5, 6, 5]]
    assert answer.outputs()["TOKEN_LOGPROBS"].tolist() == [[-0.5, -1.5, -0.25]]


def test_an_answer_without_log_probabilities_has_no_empty_tensor() -> None:
    outputs = gather([delta(b"", 0, "stop")]).outputs()
    assert all(tensor.size == 1 for tensor in outputs.values())
    assert (outputs["TOKEN_IDS"].item(), outputs["TOKEN_IDS"].dtype) == (-1, np.int32)
    assert (outputs["TOKEN_LOGPROBS"].item(), outputs["TOKEN_LOGPROBS"].dtype) == (0.0, np.float32)


def test_a_response_is_read_as_the_generator_sends_it() -> None:
    outputs = {
        "ANSWER_DELTA": np.array([["für".encode()]], np.object_),
        "FINISH_REASON": np.array([[b"stop"]], np.object_),
        "PROMPT_TOKENS": np.array([[9]], np.int32),
        "ANSWER_TOKENS": np.array([[2]], np.int32),
        "TOKEN_IDS": np.array([[5, 6]], np.int32),
        "TOKEN_LOGPROBS": np.array([[-0.5, 0.0]], np.float32),
    }
    assert Delta.of_outputs(outputs) == Delta("für".encode(), "stop", 9, 2, (5, 6), (-0.5, 0.0))
    empty = {"TOKEN_IDS": np.empty((1, 0), np.int32), "TOKEN_LOGPROBS": np.empty((1, 0), np.float32)}
    assert Delta.of_outputs(outputs | empty) == Delta("für".encode(), "stop", 9, 2)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_stream_without_a_finish_reason_is_no_answer(count: int) -> None:
    with pytest.raises(IncompleteStreamError, match=f"after {count} responses"):
        gather(delta(b"x", 1) for _ in range(count))
