import numpy as np
import pytest
import torch
from generation import GenerationOptions, StepError
from generation.sampling import Sampler
from hypothesis import given
from hypothesis import strategies as st
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper


def options(**values: float | int | None) -> GenerationOptions:
    return GenerationOptions(**({"max_tokens": 1, "temperature": 1.0, "seed": 1} | values))


def distinct_scores(seed: int, vocabulary: int = 300) -> np.ndarray:
    return (np.random.default_rng(seed).permutation(vocabulary) / 20).astype(np.float32)


def reference(scores: np.ndarray, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """The probabilities that transformers draws from."""
    logits = TemperatureLogitsWarper(temperature)(None, torch.from_numpy(scores)[None].double())
    if top_k:
        logits = TopKLogitsWarper(top_k)(None, logits)
    if top_p < 1.0:
        logits = TopPLogitsWarper(top_p)(None, logits)
    return torch.softmax(logits[0], dim=-1).numpy()


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.5, 0, 0.9), (2.0, 20, 1.0), (1.5, 50, 0.6), (1.0, 1000, 0.99)],
)
def test_tokens_come_as_often_as_transformers_would_draw_them(
    temperature: float, top_k: int, top_p: float
) -> None:
    scores = distinct_scores(3)
    expected = reference(scores, temperature, top_k, top_p)
    sampler = Sampler(options(temperature=temperature, top_k=top_k, top_p=top_p))
    draws = 8000
    drawn = np.bincount([sampler.choose(scores) for _ in range(draws)], minlength=len(scores)) / draws
    assert set(np.flatnonzero(drawn)) <= set(np.flatnonzero(expected))
    assert np.abs(drawn - expected).max() < 4 * np.sqrt(0.25 / draws)


@given(
    seed=st.integers(0, 2**63 - 1),
    scores=st.integers(0, 99),
    top_k=st.integers(0, 9),
    top_p=st.floats(0.05, 1),
)
def test_the_same_seed_draws_the_same_tokens(seed: int, scores: int, top_k: int, top_p: float) -> None:
    chosen = options(seed=seed, top_k=top_k, top_p=top_p)
    one, other = Sampler(chosen), Sampler(chosen)
    rows = [distinct_scores(scores + step) for step in range(5)]
    assert [one.choose(row) for row in rows] == [other.choose(row) for row in rows]


def test_without_a_seed_each_answer_is_another() -> None:
    one, other = Sampler(options(seed=None)), Sampler(options(seed=None))
    flat = np.zeros(50_000, np.float32)
    assert [one.choose(flat) for _ in range(5)] != [other.choose(flat) for _ in range(5)]


@pytest.mark.parametrize("chosen", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-30}])
def test_the_narrowest_choice_is_the_most_probable_token(chosen: dict[str, float]) -> None:
    scores = distinct_scores(5)
    assert Sampler(options(**chosen)).choose(scores) == scores.argmax()


def test_excluded_tokens_are_never_drawn() -> None:
    scores = np.full(100, -np.inf, np.float32)
    scores[[7, 8]] = 0
    sampler = Sampler(options(temperature=2.0, top_k=50, top_p=0.999))
    assert {sampler.choose(scores) for _ in range(50)} == {7, 8}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_cannot_be_drawn_from_are_an_error(bad: float) -> None:
    scores = distinct_scores(1)
    scores[4] = bad
    with pytest.raises(StepError, match="cannot be drawn from"):
        Sampler(options()).choose(scores)
