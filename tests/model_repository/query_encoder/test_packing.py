"""Texts are packed without padding, and a batch is cut into calls that keep all threads busy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from query_encoding.packing import LEAST_TOKENS, TOKENS_ON_ALL_THREADS, even_tokens_a_call, pack, plan_calls

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


@given(LENGTHS)
def test_indexes_lead_from_tokens_to_the_grid_and_back(lengths: list[int]) -> None:
    texts = [np.arange(length, dtype=np.int32) + 100 * number for number, length in enumerate(lengths)]
    packed = pack(texts, pad_id=7)
    grid = packed.ids[packed.grid]  # (texts, longest)
    assert int(packed.longest) % 4 == 0
    for row, text in zip(grid, texts, strict=True):
        np.testing.assert_array_equal(row[: len(text)], text)
    tokens = sum(lengths)
    np.testing.assert_array_equal(grid.reshape(-1)[packed.unpack[:tokens]], packed.ids[:tokens])
    np.testing.assert_array_equal(packed.last, np.array(lengths) - 1)


@given(LENGTHS)
def test_positions_and_weights_start_anew_in_each_text(lengths: list[int]) -> None:
    packed = pack([np.zeros(length, dtype=np.int32) for length in lengths], pad_id=0)
    expected = np.concatenate([np.arange(length) for length in lengths])
    np.testing.assert_array_equal(packed.positions[: len(expected)], expected)
    np.testing.assert_allclose(packed.weights.sum(axis=2), 1, rtol=1e-6)
    assert np.count_nonzero(packed.weights) == sum(lengths)


def test_a_very_short_call_is_filled_up() -> None:
    packed = pack([np.array([5], dtype=np.int32)], pad_id=9)
    assert packed.ids.tolist() == [5, 9, 9, 9]
    assert len(packed.positions) == len(packed.unpack) == LEAST_TOKENS
    assert packed.last.tolist() == [0]


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
