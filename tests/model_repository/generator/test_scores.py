"""Scores of one token against what transformers and torch make of them."""

import numpy as np
import pytest
import torch
from generation.scores import exclude, log_probabilities, log_probability, penalize
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from transformers import RepetitionPenaltyLogitsProcessor

VOCABULARY = 40
scores = hnp.arrays(np.float32, VOCABULARY, elements=st.floats(-60, 60, width=32))
token_ids = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=30)


@given(scores=scores, token_ids=token_ids, penalty=st.floats(0.125, 10, width=32))
def test_a_penalty_changes_scores_as_transformers_does(
    scores: np.ndarray, token_ids: list[int], penalty: float
) -> None:
    processor = RepetitionPenaltyLogitsProcessor(penalty=penalty)
    expected = processor(torch.tensor([token_ids]), torch.from_numpy(scores.copy())[None])[0].numpy()
    given_scores = scores.copy()
    np.testing.assert_allclose(penalize(scores, token_ids, penalty), expected, rtol=1e-6)
    np.testing.assert_array_equal(scores, given_scores)


def test_a_token_that_occurred_often_is_penalized_once() -> None:
    changed = penalize(np.array([6.0, -6.0, 6.0], np.float32), [0, 1, 0, 0, 1], 2.0)
    assert changed.tolist() == [3.0, -12.0, 6.0]


def test_a_token_that_can_never_come_stays_so() -> None:
    least = np.finfo(np.float32).min
    changed = penalize(np.array([-np.inf, least, 1.0], np.float32), [0, 1], 10.0)
    assert changed.tolist() == [-np.inf, -np.inf, 1.0]


@given(scores=scores, token_ids=token_ids)
def test_excluded_tokens_have_no_chance_and_others_keep_theirs(
    scores: np.ndarray, token_ids: list[int]
) -> None:
    changed = exclude(scores, token_ids)
    kept = sorted(set(range(VOCABULARY)) - set(token_ids))
    assert np.isneginf(changed[token_ids]).all()
    np.testing.assert_array_equal(changed[kept], scores[kept])
    assert np.isfinite(scores).all()


@given(scores=scores, token_id=st.integers(0, VOCABULARY - 1))
def test_a_log_probability_is_that_of_torch(scores: np.ndarray, token_id: int) -> None:
    expected = torch.log_softmax(torch.from_numpy(scores).double(), dim=0)[token_id].item()
    assert log_probability(scores, token_id) == pytest.approx(expected, abs=1e-9)


@given(rows=hnp.arrays(np.float32, (3, VOCABULARY), elements=st.floats(-60, 60, width=32)))
def test_log_probabilities_of_rows_are_those_of_torch(rows: np.ndarray) -> None:
    expected = torch.log_softmax(torch.from_numpy(rows), dim=1).numpy()
    np.testing.assert_allclose(log_probabilities(rows), expected, rtol=1e-5, atol=1e-5)


def test_the_only_possible_token_is_certain() -> None:
    alone = np.full(VOCABULARY, -np.inf, np.float32)
    alone[3] = -7
    assert log_probability(alone, 3) == 0.0
