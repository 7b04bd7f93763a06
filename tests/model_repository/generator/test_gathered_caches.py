"""Caches of a graph for a GPU: written where they lie, and never read where nobody wrote."""

from collections.abc import Callable

import numpy as np
import pytest
from generation import SettingsError
from generation.causal import CausalAdapter
from generation.gathered_caches import MOST_PADDING, GatheredCaches
from generation.session import CUDA, has_cuda
from generator_devices import PROVIDERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_repository.generator.conftest import random_prompt
from model_repository.generator.shares import alone, share
from model_repository.generator.small_llama import HEAD_SIZE, KV_HEADS, small_llama
from numpy.testing import assert_allclose, assert_array_equal
from triton_rag_export.graph.causal import CausalExport, write_causal
from triton_rag_export.graph.llama import read_llama

CONTEXT = 96
SLOTS = 4
ROWS = 32
TOLERANCE = {"fp32": 1e-4, "fp16": 0.1}
"""Sums in another order; the scores themselves reach about ten."""


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def precision(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(precision, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp(precision)
    llama = small_llama(tokenizer.get_vocab_size(), CONTEXT)
    export = CausalExport(precision, CONTEXT, cache=precision, device="cuda")
    write_causal(read_llama(llama, CONTEXT), export, frozenset({1, 2}), folder)
    return folder


@pytest.fixture(scope="module", params=PROVIDERS)
def load(request, folder) -> Callable[[], CausalAdapter]:
    sizes = {"slots": SLOTS, "capacity": CONTEXT, "threads": 1, "max_rows_a_step": ROWS}
    return lambda: CausalAdapter.load(folder, **sizes, device=request.param)


@pytest.fixture(scope="module")
def adapter(load) -> CausalAdapter:
    return load()


def by_slot(adapter: CausalAdapter) -> list[np.ndarray]:
    """Keys and values of each layer, (slots, capacity, kv_heads, head_size)."""
    shape = SLOTS, CONTEXT, KV_HEADS, HEAD_SIZE
    return [cache.numpy().reshape(shape).copy() for _, cache in adapter._caches.named("cache")]


def fill(adapter: CausalAdapter, value: float) -> None:
    for _, cache in adapter._caches.named("cache"):
        cache.update_inplace(np.full_like(cache.numpy(), value))


def test_caches_take_what_their_tokens_take(adapter, precision):
    floats_a_token = 2 * 2 * KV_HEADS * HEAD_SIZE  # keys and values of two layers
    assert adapter.cache_bytes == {"fp32": 4, "fp16": 2}[precision] * floats_a_token * SLOTS * CONTEXT


def test_a_step_writes_where_the_caches_are_and_nowhere_else(adapter):
    addresses = {name: cache.data_ptr() for name, cache in adapter._caches.named("cache")}
    fill(adapter, 0)

    for past in (0, 2):
        adapter.step([share(2, [5, 6], past), share(0, [7], past, 0)], logits=False)

    io_binding = adapter._binding._io_binding
    names = [output.name for output in adapter._binding._session.get_outputs()]
    written = dict(zip(names, io_binding.get_outputs(), strict=True))
    for name, cache in adapter._caches.named("cache"):
        assert cache.data_ptr() == written[f"present_{name}"].data_ptr() == addresses[name]
    for values in by_slot(adapter):
        places = (values != 0).any(axis=(2, 3))
        assert np.argwhere(places).tolist() == [[0, 0], [0, 2], [2, 0], [2, 1], [2, 2], [2, 3]]


def test_what_lies_where_nobody_wrote_is_never_read(adapter, precision):
    prompts = [random_prompt(3), random_prompt(30)]
    fill(adapter, 0)
    expected = adapter.step([share(slot, prompt) for slot, prompt in enumerate(prompts)], logits=True)

    fill(adapter, np.nan)
    found = adapter.step([share(slot, prompt) for slot, prompt in enumerate(prompts)], logits=True)

    assert_array_equal(found.logits, expected.logits)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_slot_gets_the_same_alone_and_among_neighbours(adapter, precision, data):
    slots = data.draw(st.lists(st.integers(0, SLOTS - 1), min_size=1, unique=True))
    prompts = [random_prompt(data.draw(st.integers(1, ROWS))) for _ in slots]
    news = [random_prompt(data.draw(st.integers(1, 20))) for _ in slots]  # a draft, or the next chunk
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

    assert_allclose(result.logits, np.concatenate(expected), atol=TOLERANCE[precision])
    assert_array_equal(result.token_ids, result.logits.argmax(axis=1))


@pytest.mark.parametrize("cuts", [[24], [1] * 24, [7, 1, 16], [16, 8]])
def test_how_a_prompt_is_cut_into_chunks_changes_next_to_nothing(cuts, adapter, precision):
    prompt = random_prompt(24)
    expected = alone(adapter, share(0, prompt))

    start = 0
    for length in cuts:
        found = alone(adapter, share(1, prompt[start : start + length], start), slot=1)
        start += length

    assert_allclose(found, expected, atol=TOLERANCE[precision])


def test_a_copied_beginning_has_the_bits_of_one_that_was_read(adapter):
    prompt = random_prompt(24)
    alone(adapter, share(0, prompt))
    alone(adapter, share(1, [9] * 30), slot=1)
    before = by_slot(adapter)

    adapter.copy_prefix(0, 1, 20)
    adapter.copy_prefix(2, 2, 20)
    adapter.copy_prefix(0, 3, 0)

    for old, new in zip(before, by_slot(adapter), strict=True):
        assert_array_equal(new[1, :20], old[0, :20])
        assert_array_equal(new[1, 20:30], old[1, 20:30])
        assert_array_equal(new[[0, 2]], old[[0, 2]])


def test_a_poisoned_slot_leaves_its_neighbours_and_its_successor_alone(adapter):
    prompt = random_prompt(20)
    expected = alone(adapter, share(1, prompt), slot=1)

    fill(adapter, np.nan)
    alone(adapter, share(1, prompt), slot=1)
    both = adapter.step([share(0, [5], 40), share(1, prompt[-1:], 19)], logits=True).logits

    assert np.isnan(both[0]).all()
    assert np.isfinite(both[1]).all()
    assert_array_equal(alone(adapter, share(0, prompt)).argmax(), expected.argmax())


@given(st.lists(st.integers(1, 200), min_size=1, max_size=40))
def test_padding_is_bounded_and_every_share_goes_once(lengths):
    rows = [share(slot, [5] * length) for slot, length in enumerate(lengths)]

    parts = GatheredCaches.parts(None, rows)

    assert sorted(number for part in parts for number in part) == list(range(len(rows)))
    for part in parts:
        padded = len(part) * max(lengths[number] for number in part)
        assert padded <= MOST_PADDING * sum(lengths[number] for number in part)
    assert len(parts) <= 1 + np.log2(max(lengths)) * 2


def test_shares_of_one_length_go_together():
    assert GatheredCaches.parts(None, [share(slot, [5]) for slot in range(64)]) == [list(range(64))]


@pytest.mark.skipif(has_cuda(), reason="the onnxruntime at hand has a CUDA provider")
def test_without_a_gpu_nothing_is_served_in_its_place(folder):
    with pytest.raises(SettingsError, match=r'generator.device = "cuda", but .*triton-rag\[serve,gpu\]'):
        CausalAdapter.load(folder, slots=1, capacity=CONTEXT)
    with pytest.raises(SettingsError, match="CPUExecutionProvider"):
        CausalAdapter.load(folder, slots=1, capacity=CONTEXT, device=CUDA)
