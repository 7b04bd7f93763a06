import numpy as np
import pytest
from triton_rag_export.graph.generator_quality import compare_generators

SEQUENCES = [[1, 2, 3], [4, 5]]


def scores(token_ids: list[int]) -> np.ndarray:
    return np.random.default_rng(token_ids).normal(size=(len(token_ids), 7)).astype(np.float32)


def test_a_model_agrees_with_itself_and_with_shifted_scores():
    quality = compare_generators(scores, lambda token_ids: scores(token_ids) + 50, SEQUENCES)

    assert quality.kl == pytest.approx(0, abs=1e-6)
    assert quality.top1_agreement == 1
    assert quality.tokens == 5


def test_the_divergence_is_that_of_the_distributions():
    expected = np.log(np.array([[0.5, 0.25, 0.25]], np.float32))
    given = np.log(np.array([[0.25, 0.5, 0.25]], np.float32))

    quality = compare_generators(lambda _: expected, lambda _: given, [[1]])

    assert quality.kl == pytest.approx(0.25 * np.log(2), rel=1e-5)
    assert quality.top1_agreement == 0


def test_every_position_counts_alike():
    def wrong_in_the_long_text(token_ids: list[int]) -> np.ndarray:
        return -scores(token_ids) if len(token_ids) == 3 else scores(token_ids)

    assert compare_generators(scores, wrong_in_the_long_text, SEQUENCES).top1_agreement == 2 / 5
