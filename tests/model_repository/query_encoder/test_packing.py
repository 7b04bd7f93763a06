"""Texts are packed without padding, and a batch is cut into calls that keep all threads busy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from query_encoding.packing import TOKENS_ON_ALL_THREADS, even_tokens_a_call, pack, plan_calls

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


@given(LENGTHS)
def test_texts_lie_one_behind_another_without_padding(lengths: list[int]) -> None:
    texts = [np.arange(length, dtype=np.int32) + 100 * number for number, length in enumerate(lengths)]
    packed = pack(texts)
    assert {array.dtype for array in packed.values()} == {np.dtype(np.int32)}
    np.testing.assert_array_equal(packed["lengths"], lengths)
    for found, text in zip(np.split(packed["ids"], np.cumsum(lengths)[:-1]), texts, strict=True):
        np.testing.assert_array_equal(found, text)


@given(LENGTHS, st.integers(1, 100))
def test_every_text_is_in_one_call_and_no_call_is_too_long(lengths: list[int], tokens_a_call: int) -> None:
    calls = list(plan_calls(np.array(lengths, dtype=np.int64), tokens_a_call))
    assert sorted(np.concatenate(calls).tolist()) == list(range(len(lengths)))
    for call in calls:
        assert len(call) == 1 or sum(lengths[index] for index in call) <= tokens_a_call


@given(st.integers(1, 100_000), st.integers(1, 64))
def test_no_call_holds_more_than_a_threads_even_share(tokens: int, threads: int) -> None:
    tokens_a_call = even_tokens_a_call(tokens, threads)
    if tokens > TOKENS_ON_ALL_THREADS:
        assert tokens_a_call <= -(-tokens // threads)
        assert tokens_a_call <= TOKENS_ON_ALL_THREADS
