"""Options of generation through the engine, token for token as transformers generates."""

from collections.abc import Callable

import pytest
import torch
from generation import AnswerCollector, Engine, OptionError
from model_repository.generator.conftest import random_prompt, run_until_idle
from model_repository.generator.torch_adapter import TorchAdapter
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

Submit = Callable[..., AnswerCollector]
LENGTHS = [1, 2, 5, 16, 17, 31, 40, 63]
TOKENS = 20


def reference(
    llama: LlamaForCausalLM, prompt: list[int], **options: float | list[int]
) -> tuple[list[int], torch.Tensor]:
    """What transformers generates greedily, and the model's own scores for each of these tokens."""
    ids = torch.tensor([prompt])
    generated = llama.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=TOKENS,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        **options,
    )
    return generated.sequences[0, len(prompt) :].tolist(), torch.cat(generated.logits)


def token_ids(collector: AnswerCollector) -> list[int]:
    return [each.token_id for each in collector.answer().logprobs]


@pytest.mark.parametrize("penalty", [0.5, 1.1, 1.5, 10.0])
@pytest.mark.parametrize("max_draft_tokens", [0, 8])
def test_repetition_is_penalized_as_transformers_does(
    make_engine: Callable[..., Engine],
    submit: Submit,
    llama: LlamaForCausalLM,
    penalty: float,
    max_draft_tokens: int,
) -> None:
    engine = make_engine(max_draft_tokens=max_draft_tokens)
    asked = {"max_tokens": TOKENS, "repetition_penalty": penalty, "logprobs": True}
    together = [submit(engine, length, **asked) for length in LENGTHS]
    run_until_idle(engine)
    for length, collector in zip(LENGTHS, together, strict=True):
        expected, _ = reference(llama, random_prompt(length), repetition_penalty=penalty)
        assert token_ids(collector) == expected


@pytest.mark.parametrize("min_tokens", [0, 1, 7, TOKENS])
def test_no_token_ends_an_answer_before_min_tokens_as_in_transformers(
    engine: Engine, adapter: TorchAdapter, submit: Submit, llama: LlamaForCausalLM, min_tokens: int
) -> None:
    plain = {length: reference(llama, random_prompt(length))[0] for length in LENGTHS}
    ends = {tokens[2] for tokens in plain.values()}  # every answer would end at its third token, or before
    adapter.end_token_ids = frozenset(ends)
    together = [
        submit(engine, length, max_tokens=TOKENS, min_tokens=min_tokens, logprobs=True) for length in LENGTHS
    ]
    run_until_idle(engine)
    for length, collector in zip(LENGTHS, together, strict=True):
        asked = {"min_new_tokens": min_tokens} if min_tokens else {}
        expected, _ = reference(llama, random_prompt(length), eos_token_id=sorted(ends), **asked)
        assert token_ids(collector) == [token_id for token_id in expected if token_id not in ends]
        assert collector.answer().answer_tokens >= min_tokens


def test_scores_are_asked_for_only_until_min_tokens_are_there(
    make_engine: Callable[..., Engine], adapter: TorchAdapter, submit: Submit
) -> None:
    engine = make_engine(max_draft_tokens=0)
    submit(engine, 5, max_tokens=8, min_tokens=3)
    run_until_idle(engine)
    assert adapter.logits_asked == [True] * 3 + [False] * 5


def test_a_stop_token_ends_the_answer_and_is_no_part_of_it(
    engine: Engine, submit: Submit, llama: LlamaForCausalLM, tokenizer: Tokenizer
) -> None:
    tokens, _ = reference(llama, random_prompt(9))
    stop = tokens[4]
    before = tokens.index(stop)
    ended = submit(engine, 9, max_tokens=TOKENS, stop_tokens=frozenset({stop}))
    neighbour = submit(engine, 9, max_tokens=TOKENS)
    run_until_idle(engine)
    assert ended.answer().finish_reason == "stop"
    assert ended.answer().text == tokenizer.decode(tokens[:before])
    assert ended.answer().answer_tokens == before
    assert neighbour.answer().text == tokenizer.decode(tokens)


def test_a_stop_token_that_the_model_does_not_have_is_refused_and_hurts_nobody(
    engine: Engine, adapter: TorchAdapter, submit: Submit
) -> None:
    neighbour = submit(engine, 5)
    last = adapter.vocabulary_size - 1
    with pytest.raises(
        OptionError, match=f"STOP_TOKENS holds {last + 1}; allowed: token ids from 0 to {last}"
    ):
        submit(engine, 5, stop_tokens=frozenset({1, last, last + 1}))
    submit(engine, 5, stop_tokens=frozenset({last}))
    run_until_idle(engine)
    assert neighbour.answer().answer_tokens == 12


@pytest.mark.parametrize("max_draft_tokens", [0, 8])
def test_log_probabilities_are_those_of_the_model_whatever_is_done_to_choose(
    make_engine: Callable[..., Engine], submit: Submit, llama: LlamaForCausalLM, max_draft_tokens: int
) -> None:
    engine = make_engine(max_draft_tokens=max_draft_tokens)
    changed = {"temperature": 1.5, "top_k": 30, "top_p": 0.9, "seed": 3, "repetition_penalty": 1.4}
    together = [
        submit(engine, length, max_tokens=TOKENS, logprobs=True, **asked)
        for length in LENGTHS[:4]
        for asked in ({}, changed)
    ]
    run_until_idle(engine)
    for length, collector in zip(sorted(LENGTHS[:4] * 2), together, strict=True):
        answer = token_ids(collector)
        with torch.inference_mode():
            logits = llama(torch.tensor([random_prompt(length) + answer])).logits[0, length - 1 : -1]
        expected = torch.log_softmax(logits, dim=-1)[torch.arange(len(answer)), answer]
        given = torch.tensor([each.logprob for each in collector.answer().logprobs])
        torch.testing.assert_close(given, expected, atol=1e-4, rtol=0)


def test_log_probabilities_of_a_greedy_answer_are_those_that_transformers_gives(
    engine: Engine, submit: Submit, llama: LlamaForCausalLM
) -> None:
    collector = submit(engine, 17, max_tokens=TOKENS, logprobs=True)
    run_until_idle(engine)
    tokens, logits = reference(llama, random_prompt(17))
    expected = torch.log_softmax(logits, dim=-1)[torch.arange(TOKENS), tokens]
    assert token_ids(collector) == tokens
    given = [each.logprob for each in collector.answer().logprobs]
    assert given == pytest.approx(expected.tolist(), abs=1e-4)


def test_every_delta_brings_the_log_probabilities_of_the_tokens_since_the_one_before(
    engine: Engine, submit: Submit
) -> None:
    collector = submit(engine, 12, max_tokens=TOKENS, logprobs=True, stop=("zzz",))
    run_until_idle(engine)
    known = 0
    for delta in collector.deltas:
        known += len(delta.logprobs)
        assert known == delta.answer_tokens
    assert known == TOKENS


def test_an_answer_is_the_same_with_its_log_probabilities_and_without(engine: Engine, submit: Submit) -> None:
    drawn = {"temperature": 1.2, "seed": 4, "max_tokens": TOKENS}
    asked, plain = submit(engine, 15, logprobs=True, **drawn), submit(engine, 15, **drawn)
    run_until_idle(engine)
    assert asked.answer().text == plain.answer().text
    assert plain.answer().logprobs == ()
