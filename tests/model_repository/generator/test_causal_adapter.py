from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from generation import SettingsError
from generation.causal import CausalAdapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_repository.generator.conftest import random_prompt
from model_repository.generator.shares import alone, share
from model_repository.generator.small_llama import HEAD_SIZE, KV_HEADS, small_llama
from numpy.testing import assert_array_equal
from transformers import LlamaForCausalLM
from triton_rag_export.graph.causal import CausalExport, write_causal
from triton_rag_export.graph.llama import read_llama

CONTEXT = 96
SLOTS = 4
ROWS = 32


@pytest.fixture(scope="module")
def llama(tokenizer) -> LlamaForCausalLM:
    return small_llama(tokenizer.get_vocab_size(), CONTEXT)


@pytest.fixture(scope="module", params=[("fp32", "fp32"), ("int8", "fp16")], ids="-".join)
def folder(request, llama, tmp_path_factory) -> Path:
    precision, cache = request.param
    folder = tmp_path_factory.mktemp(precision)
    export = CausalExport(precision, CONTEXT, cache=cache)
    write_causal(read_llama(llama, CONTEXT), export, frozenset({1, 2}), folder)
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


def test_sizes_and_end_tokens_are_known_before_the_first_step(adapter):
    assert (adapter.slots, adapter.capacity, adapter.max_rows_a_step) == (SLOTS, CONTEXT, ROWS)
    assert adapter.end_token_ids == {1, 2}
    floats_a_token = 2 * 2 * KV_HEADS * HEAD_SIZE  # keys and values of two layers
    bytes_a_float = adapter._caches.keys[0].itemsize
    assert adapter.cache_bytes == bytes_a_float * floats_a_token * SLOTS * CONTEXT


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
@given(st.lists(st.integers(1, ROWS), min_size=1, max_size=6))
def test_how_a_prompt_is_cut_into_chunks_changes_no_bit(adapter, lengths):
    prompt = random_prompt(min(sum(lengths), CONTEXT))

    for start in range(len(prompt)):
        one_by_one = alone(adapter, share(0, [prompt[start]], start))
    start = 0
    for length in lengths:
        chunk = prompt[start : start + length]
        if chunk:
            in_chunks = alone(adapter, share(1, chunk, start), slot=1)
        start += length

    assert_array_equal(in_chunks, one_by_one)


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
    before = [(keys_and_values(adapter, slot, 10 + slot)) for slot in range(SLOTS)]

    adapter.step([share(0, [5, 6], 10), share(3, [7], 13)], logits=False)

    for slot in range(SLOTS):
        assert_array_equal(keys_and_values(adapter, slot, 10 + slot), before[slot])
    assert (keys_and_values(adapter, 0, 12)[:, :, 10:] != 0).any()


def keys_and_values(adapter: CausalAdapter, slot: int, tokens: int) -> np.ndarray:
    """What a slot's first tokens left in the caches of both layers."""
    caches = adapter._caches
    return np.concatenate(
        [caches.keys_of(layer, slot, tokens) for layer in range(2)]
        + [caches.values_of(layer, slot, tokens) for layer in range(2)]
    )


def test_a_step_writes_where_the_caches_are(adapter):
    addresses = [array.ctypes.data for _, array in adapter._caches.named()]
    for _, array in adapter._caches.named():
        array[:] = 0

    adapter.step([share(2, [5, 6], 0, 0)], logits=False)

    for address, (_, array) in zip(addresses, adapter._caches.named(), strict=True):
        assert array.ctypes.data == address
        assert (array[2] != 0).any()
        assert not array[[0, 1, 3]].any()


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
        ({"max_rows_a_step": 0}, "max_rows_a_step is 0; allowed: 1 to"),
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
