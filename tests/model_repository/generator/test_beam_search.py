"""Beam search over made-up scores, against transformers over the same scores."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from generation.beam_search import Beam, BeamRules, BeamSearch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

VOCABULARY = 40
START = 0

rules = st.builds(
    BeamRules,
    beams=st.integers(2, 5),
    end_token_ids=st.frozensets(st.integers(1, VOCABULARY - 1), max_size=3),
    max_tokens=st.integers(1, 14),
    min_tokens=st.integers(0, 6),
    length_penalty=st.sampled_from([-2.0, -0.5, 0.0, 0.6, 1.0, 2.0, 5.0]),
    repetition_penalty=st.sampled_from([0.5, 1.0, 1.0, 1.3, 4.0]),
).map(lambda asked: replace(asked, min_tokens=min(asked.min_tokens, asked.max_tokens)))


class MadeUpConfig(PretrainedConfig):
    model_type = "made-up"
    vocab_size = VOCABULARY
    num_hidden_layers = 1


class MadeUpModel(PreTrainedModel, GenerationMixin):
    """Scores that depend on the last two tokens; `peak` says how sure it is of what comes.

    They depend on the place too, or answers that go round in circles would have the very same score.
    """

    config_class = MadeUpConfig

    def __init__(self, seed: int, peak: float) -> None:
        super().__init__(MadeUpConfig())
        random = torch.Generator().manual_seed(seed)
        # (token before, last token, next token)
        table = torch.randn(VOCABULARY, VOCABULARY, VOCABULARY, generator=random) * peak
        self.table = torch.nn.Parameter(table)
        self.places = torch.nn.Parameter(torch.randn(20, VOCABULARY, generator=random))

    def forward(self, input_ids: torch.Tensor, **_: object) -> CausalLMOutput:
        before = input_ids[:, -2] if input_ids.shape[1] > 1 else torch.zeros_like(input_ids[:, -1])
        scores = self.table[before, input_ids[:, -1]] + self.places[input_ids.shape[1]]
        return CausalLMOutput(logits=scores[:, None])


def scores(model: MadeUpModel, texts: list[list[int]]) -> np.ndarray:
    with torch.inference_mode():
        return torch.cat([model(torch.tensor([text])).logits[0] for text in texts]).numpy()


def searched(model: MadeUpModel, asked: BeamRules, first_tokens: tuple[int, ...] = (START,)) -> BeamSearch:
    """A search from beginning to end."""
    search = BeamSearch(asked, first_tokens)
    while not search.is_over:
        search.advance(scores(model, [[START, *beam.token_ids] for beam in search.beams]))
    return search


def reference(model: MadeUpModel, asked: BeamRules) -> tuple[list[int], float]:
    """The answer of transformers with its end token, and its score."""
    ends = sorted(asked.end_token_ids) or None
    with torch.inference_mode():
        found = model.generate(
            torch.tensor([[START]]),
            attention_mask=torch.ones(1, 1, dtype=torch.int64),
            num_beams=asked.beams,
            do_sample=False,
            max_new_tokens=asked.max_tokens,
            length_penalty=asked.length_penalty,
            repetition_penalty=asked.repetition_penalty,
            eos_token_id=ends,
            pad_token_id=START,
            use_cache=False,
            output_scores=True,
            return_dict_in_generate=True,
            **({"min_new_tokens": asked.min_tokens} if asked.min_tokens and ends else {}),
        )
    return found.sequences[0, 1:].tolist(), found.sequences_scores.item()


@settings(max_examples=250, deadline=None)
@given(asked=rules, seed=st.integers(0, 2**32), peak=st.sampled_from([0.5, 2.0, 5.0]))
def test_an_answer_and_its_score_are_those_of_transformers(asked: BeamRules, seed: int, peak: float) -> None:
    model = MadeUpModel(seed, peak)
    expected, score = reference(model, asked)
    best = searched(model, asked).best
    assert best is not None
    is_ended = expected[-1] in asked.end_token_ids
    assert list(best.token_ids) == (expected[:-1] if is_ended else expected)
    assert best.is_cut is not is_ended
    assert best.score == pytest.approx(score, rel=1e-4)


@settings(max_examples=100, deadline=None)
@given(asked=rules, seed=st.integers(0, 2**32))
def test_beams_are_different_beginnings_the_most_probable_first(asked: BeamRules, seed: int) -> None:
    model = MadeUpModel(seed, 2.0)
    search = BeamSearch(asked, (START,))
    steps = 0
    while not search.is_over:
        before = search.beams
        search.advance(scores(model, [[START, *beam.token_ids] for beam in before]))
        steps += 1
        assert len({beam.token_ids for beam in search.beams}) == len(search.beams) <= asked.beams
        assert [beam.log_probability for beam in search.beams] == sorted(
            (beam.log_probability for beam in search.beams), reverse=True
        )
        for beam in search.beams:
            assert beam.token_ids[:-1] == before[beam.parent].token_ids
            assert not asked.end_token_ids.intersection(beam.token_ids)
    assert steps <= asked.max_tokens
    assert search.best is not None
    assert len(search.best.token_ids) <= asked.max_tokens


def test_there_is_one_beam_before_the_first_step_and_none_behind_the_last() -> None:
    asked = BeamRules(beams=4, end_token_ids=frozenset(), max_tokens=3)
    search = BeamSearch(asked, (START,))
    assert search.beams == (Beam(),)
    assert search.best is None
    for _ in range(3):
        assert not search.is_over
        search.advance(np.tile(np.arange(VOCABULARY, dtype=np.float32), (len(search.beams), 1)))
    assert search.beams == ()
    assert search.is_over


def test_a_small_penalty_on_length_prefers_the_short_answer_and_a_large_one_the_long() -> None:
    ends_at_once = np.full((1, VOCABULARY), -9.0, np.float32)
    ends_at_once[0, [3, 7]] = 1.0, 0.9  # 3 is the end, 7 goes on
    sure_of_the_end = np.full((2, VOCABULARY), -9.0, np.float32)
    sure_of_the_end[:, 3] = 9.0
    lengths = []
    for penalty in (-1.0, 3.0):
        search = BeamSearch(BeamRules(2, frozenset({3}), 8, length_penalty=penalty), (START,))
        search.advance(ends_at_once)
        search.advance(sure_of_the_end[: len(search.beams)])
        while not search.is_over:
            search.advance(sure_of_the_end[: len(search.beams)])
        assert search.best is not None
        lengths.append(len(search.best.token_ids))
    assert lengths == [0, 1]


def test_forced_first_tokens_count_in_the_length() -> None:
    asked = BeamRules(beams=2, end_token_ids=frozenset({3}), max_tokens=6)
    model = MadeUpModel(5, 2.0)
    plain, forced = searched(model, asked).best, searched(model, asked, (START, START)).best
    assert plain is not None
    assert forced is not None
    assert forced.token_ids == plain.token_ids
    length = len(plain.token_ids) + (not plain.is_cut)
    assert forced.score * (length + 1) == pytest.approx(plain.score * length)


def test_tokens_that_can_never_come_leave_fewer_beams() -> None:
    asked = BeamRules(beams=4, end_token_ids=frozenset({3}), max_tokens=6)
    search = BeamSearch(asked, (START,))
    only_two = np.full((1, VOCABULARY), -np.inf, np.float32)
    only_two[0, [5, 6]] = 1.0, 2.0
    search.advance(only_two)
    assert [beam.token_ids for beam in search.beams] == [(6,), (5,)]


def test_a_search_that_can_choose_nothing_is_over_without_an_answer() -> None:
    search = BeamSearch(BeamRules(2, frozenset({3}), 6, min_tokens=2), (START,))
    only_the_end = np.full((1, VOCABULARY), -np.inf, np.float32)
    only_the_end[0, 3] = 1.0
    search.advance(only_the_end)
    assert search.is_over
    assert search.best is None
