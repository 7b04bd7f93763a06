"""One next token: what the request asks for decides, and guesses that are verified change nothing."""

from collections.abc import Callable

import numpy as np
import pytest
from generation import AnswerCollector, GenerationOptions, StepError, StepResult
from generation.choosing import OutputRow, TokenChoice
from generation.delivery import advance
from generation.detokenizer import Detokenizer
from generation.sequence import Sequence
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

VOCABULARY = 12
END = 11
TOKENIZER = Tokenizer(models.BPE())

asked = st.builds(
    GenerationOptions,
    max_tokens=st.integers(1, 20),
    temperature=st.sampled_from([0.0, 0.0, 1.0]),
    top_k=st.sampled_from([0, 5]),
    seed=st.integers(0, 9),
    min_tokens=st.integers(0, 8),
    repetition_penalty=st.sampled_from([0.1, 0.5, 1.0, 1.2, 3.0]),
    stop_tokens=st.frozensets(st.integers(0, VOCABULARY - 1), max_size=3),
    logprobs=st.booleans(),
)


def row(scores: np.ndarray, *, is_asked: bool = True) -> OutputRow:
    best = int(scores.argmax())
    return OutputRow(best, float(scores[best]), scores if is_asked else None)


def model_scores(token_ids: list[int]) -> np.ndarray:
    """What a made-up model says behind a text: its last two tokens decide, and it likes to repeat itself."""
    random = np.random.default_rng([len(token_ids) % 3, *token_ids[-2:]])
    return random.normal(0, 3, VOCABULARY).astype(np.float32)


def started(prompt: list[int], options: GenerationOptions) -> tuple[Sequence, AnswerCollector]:
    collector = AnswerCollector()
    sequence = Sequence(
        prompt, options, collector, Detokenizer(TOKENIZER, frozenset()), end_token_ids=frozenset({END})
    )
    sequence.begin(tuple(prompt), past=0)
    return sequence, collector


def written(
    prompt: list[int], options: GenerationOptions, guess: Callable[[int], tuple[int, ...]]
) -> tuple[list[int], AnswerCollector]:
    """The tokens of an answer whose steps verify the guesses made behind so many tokens."""
    sequence, collector = started(prompt, options)
    while verified(
        sequence, guess(sequence.answer_tokens)[: options.max_tokens - sequence.answer_tokens - 1]
    ):
        pass
    return sequence.token_ids[len(prompt) :], collector


def verified(sequence: Sequence, drafts: tuple[int, ...]) -> bool:
    """Do one step that verifies guesses; whether the answer goes on."""
    texts = [[*sequence.token_ids, *drafts[:count]] for count in range(len(drafts) + 1)]
    scores = np.stack([model_scores(text) for text in texts])
    goes_on = advance(sequence, drafts, StepResult.of(scores, logits=sequence.needs_logits))
    sequence.past = len(sequence.token_ids) - 1
    return goes_on


@settings(max_examples=300)
@given(
    prompt=st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=12),
    options=asked,
    cuts=st.lists(st.integers(0, 6), min_size=1, max_size=8),
    wrong=st.lists(st.integers(0, VOCABULARY - 1), max_size=3),
)
def test_verified_guesses_give_the_very_tokens_of_plain_decoding(
    prompt: list[int], options: GenerationOptions, cuts: list[int], wrong: list[int]
) -> None:
    plain, collected = written(prompt, options, lambda done: ())

    def right_then_wrong(done: int) -> tuple[int, ...]:
        return (*plain[done : done + cuts[done % len(cuts)]], *wrong)

    guessed, collected_guessed = written(prompt, options, right_then_wrong)

    assert guessed == plain
    assert collected_guessed.error is None
    assert collected_guessed.answer() == collected.answer()


def test_right_guesses_are_all_taken_in_one_step() -> None:
    options = GenerationOptions(max_tokens=9, min_tokens=9, repetition_penalty=1.3, logprobs=True)
    plain, _ = written([3, 1], options, lambda done: ())
    sequence, collector = started([3, 1], options)
    assert not verified(sequence, tuple(plain[:-1]))
    assert sequence.token_ids == [3, 1, *plain]
    assert len(collector.answer().logprobs) == 9


@given(
    prompt=st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=12),
    options=asked,
)
def test_an_answer_keeps_to_what_was_asked(prompt: list[int], options: GenerationOptions) -> None:
    tokens, collector = written(prompt, options, lambda done: ())
    answer = collector.answer()
    ends = {END, *options.stop_tokens}
    assert min(options.min_tokens, options.max_tokens) <= len(tokens) <= options.max_tokens
    assert not ends & set(tokens)
    assert answer.finish_reason == ("length" if len(tokens) == options.max_tokens else "stop")
    assert [each.token_id for each in answer.logprobs] == (tokens if options.logprobs else [])
    assert all(each.logprob <= 0 for each in answer.logprobs)


@pytest.mark.parametrize(
    ("asked_for", "before", "is_needed"),
    [
        ({}, 0, False),
        ({"temperature": 0.5}, 9, True),
        ({"repetition_penalty": 1.1}, 9, True),
        ({"logprobs": True}, 9, True),
        ({"min_tokens": 3}, 2, True),
        ({"min_tokens": 3}, 3, False),
        ({"stop_tokens": frozenset({3})}, 0, False),
    ],
)
def test_scores_are_needed_only_for_what_takes_them(
    asked_for: dict[str, object], before: int, is_needed: bool
) -> None:
    choice = TokenChoice(GenerationOptions(max_tokens=16, **asked_for), frozenset({END}))
    assert choice.needs_logits(before) is is_needed


@pytest.mark.parametrize("asked_for", [{"repetition_penalty": 2.0}, {"min_tokens": 1}, {"temperature": 1.0}])
def test_scores_that_did_not_come_are_an_error(asked_for: dict[str, object]) -> None:
    choice = TokenChoice(GenerationOptions(max_tokens=16, **asked_for), frozenset({END}))
    with pytest.raises(StepError, match="gave no scores"):
        choice.choose(row(model_scores([1]), is_asked=False), [1], 0)


def test_a_request_that_forbids_the_only_possible_token_is_an_error_of_its_own() -> None:
    choice = TokenChoice(GenerationOptions(max_tokens=16, min_tokens=1), frozenset({END}))
    only_the_end = np.full(VOCABULARY, -np.inf, np.float32)
    only_the_end[END] = 0
    with pytest.raises(StepError, match="leave no token to choose"):
        choice.choose(row(only_the_end), [1], 0)
