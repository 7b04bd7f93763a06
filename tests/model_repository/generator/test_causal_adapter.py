from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from generation import Engine, ServingSettings, SettingsError, SlotRows
from generation.causal import CausalAdapter
from generation.causal_binding import Stretch
from generation.draft_length import Speculation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_repository.generator.conftest import random_prompt, run_until_idle
from numpy.testing import assert_array_equal
from transformers import LlamaConfig, LlamaForCausalLM
from triton_rag_export.graph.causal import PADDING_POSITIONS, CausalExport, write_causal
from triton_rag_export.graph.llama import read_llama

CONTEXT = 96
SLOTS = 4
ROWS = 32
KV_HEADS = 2
HEAD_SIZE = 16


@pytest.fixture(scope="module")
def llama(tokenizer) -> LlamaForCausalLM:
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=48,
        intermediate_size=72,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=KV_HEADS,
        head_dim=HEAD_SIZE,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module", params=["fp32", "int8"])
def folder(request, llama, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    described = read_llama(llama, CONTEXT)
    write_causal(described, CausalExport(request.param, CONTEXT), frozenset({1, 2}), folder)
    return folder


@pytest.fixture(scope="module")
def load(folder) -> Callable[..., CausalAdapter]:
    def load(**sizes: int) -> CausalAdapter:
        defaults = {"slots": SLOTS, "capacity": CONTEXT, "threads": 1, "max_rows_a_step": ROWS}
        return CausalAdapter.load(folder, **(defaults | sizes))

    return load


@pytest.fixture(scope="module")
def adapter(load) -> CausalAdapter:
    return load()


def share(slot: int, token_ids: list[int], past: int = 0, outputs: int = 1) -> SlotRows:
    return SlotRows(slot, tuple(token_ids), past, outputs)


def alone(adapter: CausalAdapter, rows: SlotRows, slot: int = 0) -> np.ndarray:
    return adapter.step([SlotRows(slot, rows.token_ids, rows.past, rows.outputs)], logits=True).logits


def test_sizes_and_end_tokens_are_known_before_the_first_step(adapter):
    assert (adapter.slots, adapter.capacity, adapter.max_rows_a_step) == (SLOTS, CONTEXT, ROWS)
    assert adapter.end_token_ids == {1, 2}
    floats_a_token = 2 * 2 * KV_HEADS * HEAD_SIZE  # keys and values of two layers
    assert adapter.cache_bytes == 4 * floats_a_token * SLOTS * (CONTEXT + ROWS)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_slot_gets_the_same_bits_alone_and_among_neighbours(adapter, data):
    slots = data.draw(st.lists(st.integers(0, SLOTS - 1), min_size=1, unique=True))
    prompts = [random_prompt(data.draw(st.integers(1, ROWS))) for _ in slots]
    news = [random_prompt(data.draw(st.integers(1, 5))) for _ in slots]
    expected = []
    for prompt, new in zip(prompts, news, strict=True):
        alone(adapter, share(0, prompt))
        expected.append(alone(adapter, share(0, new, len(prompt), len(new))))

    adapter.step([share(slot, prompt) for slot, prompt in zip(slots, prompts, strict=True)], logits=False)
    together = [
        share(slot, new, len(prompt), len(new))
        for slot, prompt, new in zip(slots, prompts, news, strict=True)
    ]
    result = adapter.step(together, logits=True)

    assert_array_equal(result.logits, np.concatenate(expected))
    assert_array_equal(result.token_ids, result.logits.argmax(axis=1))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(2, ROWS - 2), st.integers(2, ROWS - 2))
def test_chunks_of_two_rows_or_more_change_no_bit(adapter, first, second):
    prompt = random_prompt(first + second)

    alone(adapter, share(0, prompt[:first], 0, 0))
    in_two = alone(adapter, share(0, prompt[first:], first, 1))
    for start in range(0, len(prompt) - 3, 2):
        alone(adapter, share(1, prompt[start : start + 2], start, 0), slot=1)
    start += 2
    in_many = alone(adapter, share(1, prompt[start:], start, 1), slot=1)

    assert_array_equal(in_many, in_two)


def test_prompts_and_answers_share_a_step(adapter):
    prompt, other = random_prompt(20), random_prompt(7)
    expected_prompt, expected_other = alone(adapter, share(0, prompt)), alone(adapter, share(0, other))
    expected_next = alone(adapter, share(0, [5], 7))

    alone(adapter, share(2, other), slot=2)
    mixed = adapter.step([share(2, [5], 7), share(1, prompt), share(3, other, 0, 0)], logits=True)

    assert_array_equal(mixed.logits, np.concatenate([expected_next, expected_prompt]))
    assert_array_equal(alone(adapter, share(3, other[-2:], 5), slot=3), expected_other)


def test_slots_without_rows_keep_their_caches(adapter):
    for slot in range(SLOTS):
        alone(adapter, share(slot, random_prompt(10 + slot)), slot=slot)
    before = [array.copy() for _, array in adapter._caches.named()]

    adapter.step([share(0, [5, 6], 10), share(3, [7], 13)], logits=False)

    for (_, after), old in zip(adapter._caches.named(), before, strict=True):
        assert_array_equal(after[1:3], old[1:3])
        assert_array_equal(after[0, :, :10], old[0, :, :10])
        assert_array_equal(after[3, :, :13], old[3, :, :13])
        assert (after[0, :, 10:12] != 0).any()


def test_the_caches_are_written_in_place(adapter):
    adapter.step([share(2, [5, 6], 0, 0)], logits=False)

    present = adapter._bindings[Stretch(2, 1)]._io_binding.get_outputs()[:-1]  # before the logits
    expected = [array[2:].ctypes.data for _, array in adapter._caches.named()]
    assert [value.data_ptr() for value in present] == expected


def test_a_copied_beginning_has_the_bits_of_one_that_was_read(adapter):
    prompt = random_prompt(24)
    expected = alone(adapter, share(0, prompt))

    alone(adapter, share(1, [9] * 30), slot=1)
    adapter.copy_prefix(0, 1, 20)
    again = alone(adapter, share(1, prompt[20:], 20), slot=1)

    assert_array_equal(again, expected)


def test_tokens_are_forgotten_by_naming_a_smaller_past(adapter):
    prompt = random_prompt(12)
    expected = alone(adapter, share(0, prompt))

    alone(adapter, share(0, [9, 9, 9, 9], 8))
    again = alone(adapter, share(0, prompt[8:], 8))

    assert_array_equal(again, expected)


def test_scores_come_only_when_asked_for(adapter):
    prompt = random_prompt(6)

    assert adapter.step([share(0, prompt)], logits=False).logits is None
    with_scores = adapter.step([share(0, prompt, 0, 6)], logits=True)
    assert with_scores.logits.shape == (6, adapter.vocabulary_size)
    assert adapter.step([share(0, prompt, 0, 0)], logits=True).token_ids.shape == (0,)


def test_a_result_survives_the_next_step(adapter):
    first = adapter.step([share(0, random_prompt(6))], logits=True)
    kept = first.logits.copy()

    adapter.step([share(0, random_prompt(6)[::-1])], logits=True)

    assert_array_equal(first.logits, kept)


def test_a_slot_holds_its_whole_capacity(adapter):
    prompt = random_prompt(CONTEXT)
    for start in range(0, CONTEXT, ROWS):
        chunk = prompt[start : start + ROWS]
        # the neighbour's padding lies behind the capacity
        adapter.step([share(0, chunk, start), share(1, [5], CONTEXT - 1)], logits=False)

    with pytest.raises(ValueError, match=r"slot 0: past is 96; allowed: 0 to 95"):
        adapter.step([share(0, [5], CONTEXT)], logits=False)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "a step without rows"),
        ([share(0, [5]), share(0, [6])], "a slot appears twice"),
        ([share(SLOTS, [5])], "slot is 4; allowed: 0 to 3"),
        ([share(1, [])], "slot 1: rows is 0; allowed: 1 to 32"),
        ([share(1, [5] * 33)], "slot 1: rows is 33; allowed: 1 to 32"),
        ([share(1, [5], -1)], "slot 1: past is -1; allowed: 0 to 95"),
        ([share(1, [5], 0, 2)], "slot 1: outputs is 2; allowed: 0 to 1"),
        ([share(1, [5, -1])], "slot 1: token id is -1; allowed: 0 to"),
        ([share(1, [5, 10**6])], "slot 1: token id is 1000000; allowed: 0 to"),
    ],
)
def test_rows_that_do_not_fit_are_refused(adapter, rows, message):
    with pytest.raises(ValueError, match=message):
        adapter.step(rows, logits=False)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"slots": 0}, "slots is 0; allowed: 1 to"),
        ({"capacity": CONTEXT + 1}, "capacity is 97; allowed: 2 to 96"),
        ({"max_rows_a_step": PADDING_POSITIONS + 1}, "max_rows_a_step is 1025; allowed: 1 to 1024"),
    ],
)
def test_sizes_that_do_not_fit_the_graph_are_refused(load, sizes, message):
    with pytest.raises(SettingsError, match=message):
        load(**sizes)


@pytest.mark.parametrize("missing", ["generator.json", "generator.onnx"])
def test_a_missing_file_is_named(missing, folder, tmp_path):
    for path in folder.iterdir():
        if path.name != missing:
            (tmp_path / path.name).symlink_to(path)

    with pytest.raises(SettingsError, match=missing):
        CausalAdapter.load(tmp_path, slots=1, capacity=CONTEXT)


def engine_over(load, tokenizer, **limits) -> Engine:
    served = {"slots": SLOTS, "context_tokens": CONTEXT, "max_tokens": 32, "default_max_tokens": 16}
    return Engine(load(), tokenizer, ServingSettings(**(served | {"prefill_chunk": 16} | limits)))


def test_the_engine_answers_alike_whatever_else_runs(load, tokenizer, submit):
    def answers(prompts: list[int]) -> list[str]:
        engine = engine_over(load, tokenizer)
        collected = [submit(engine, length) for length in prompts]
        run_until_idle(engine)
        return [collector.answer().text for collector in collected]

    lengths = [1, 2, 17, 33, 40, 64]
    assert answers(lengths) == [answers([length])[0] for length in lengths]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_answer_is_the_same_whatever_is_guessed_reused_or_running_beside_it(load, tokenizer, submit, data):
    def run(engine: Engine, order: list[int]) -> dict[int, str]:
        collected = {}
        for number in order:
            collected[number] = submit(engine, prompts[number], max_tokens=24)
            for _ in range(data.draw(st.integers(0, 3), label="steps before the next arrives")):
                engine.run_step()
        run_until_idle(engine)
        return {number: collector.answer().text for number, collector in collected.items()}

    head = random_prompt(18)
    phrases = [random_prompt(length) for length in (3, 4, 5, 7, 9, 11)]
    prompts = [head + phrase * 3 for phrase in phrases]  # repetition is what guesses are made from
    plain = engine_over(load, tokenizer, max_draft_tokens=0)
    expected = {}
    for number in range(len(prompts)):
        expected |= run(plain, [number])
    engine = engine_over(
        load,
        tokenizer,
        max_draft_tokens=data.draw(st.integers(1, 8)),
        prefill_chunk=data.draw(st.integers(3, 40)),
    )
    engine._speculation = engine._scheduler._speculation = EagerSpeculation(8)

    assert run(engine, data.draw(st.permutations(range(len(prompts))))) == expected
    assert engine.counters.drafted_tokens > 0
    assert engine.counters.reused_tokens > 0


class EagerSpeculation(Speculation):
    """Sends every guess, so that answers do not depend on how long a step takes here."""

    def drafts(self, sequences, rows):
        return [sequence.draft(self._longest) for sequence in sequences]
