"""Keys and values kept in bytes."""

import numpy as np
import pytest
from export.graph.tiny_causal_models import (
    CONTEXT_TOKENS,
    VARIANTS,
    adapter_of,
    described,
    random_tokens,
    reference_logits,
    tiny_llama,
)
from generation import SlotRows
from generation.blocked_caches import BlockedCaches
from generation.causal import CausalAdapter
from numpy.testing import assert_allclose, assert_array_equal
from triton_rag_export.graph.cache_scales import CacheScales, measure_cache_scales
from triton_rag_export.graph.causal import GRAPH_FILE, CausalExport, write_causal
from triton_rag_export.graph.generator_quality import compare_generators, served_logits, torch_logits

CALIBRATION = [random_tokens(length, seed) for seed, length in enumerate((1, 40, 60), start=20)]
HELD_OUT = [random_tokens(50, seed) for seed in range(10, 14)]


def with_cache_of_bytes(model, folder, **sizes) -> tuple[CausalAdapter, CacheScales]:
    settings, end = CausalExport("fp32", CONTEXT_TOKENS), frozenset({2})
    write_causal(described(model), settings, end, folder)
    scales = measure_cache_scales(folder / GRAPH_FILE, CALIBRATION)
    write_causal(described(model), settings, end, folder, scales)
    sizes = {"slots": 3, "capacity": CONTEXT_TOKENS, "threads": 1, "max_rows_a_step": 32} | sizes
    return CausalAdapter.load(folder, **sizes), scales


@pytest.mark.parametrize("variant", VARIANTS)
def test_bytes_are_off_by_half_a_step_at_most(variant, tmp_path):
    model = VARIANTS[variant]()
    (tmp_path / "floats").mkdir()
    floats = adapter_of(described(model), tmp_path / "floats", slots=1)
    adapter, scales = with_cache_of_bytes(model, tmp_path, slots=1)
    for each in (floats, adapter):
        each.step([SlotRows(0, tuple(CALIBRATION[1][:30]), 0, 1)], logits=False)

    for of_layers, caches in ((scales.keys, "keys_of"), (scales.values, "values_of")):
        expected, found = (getattr(each._caches, caches)(0, 0, 30) for each in (floats, adapter))
        step = of_layers[0].reshape(len(found), 1, -1)  # (kv_heads, 1, head_size)
        assert found.dtype == np.int8
        assert (np.abs(found * step - expected) <= step * 0.501).all()


def test_bytes_stay_close_to_floats(tmp_path):
    model = tiny_llama(initializer_range=0.1)

    adapter, _ = with_cache_of_bytes(model, tmp_path)

    quality = compare_generators(torch_logits(model), served_logits(adapter), HELD_OUT)
    assert quality.kl < 0.003
    assert quality.top1_agreement > 0.9


def test_scales_of_values_are_the_largest_seen(tmp_path):
    model = tiny_llama()
    seen = []
    hook = model.model.layers[1].self_attn.v_proj.register_forward_hook(
        lambda _, inputs, output: seen.append(output[0].numpy())
    )
    for sequence in CALIBRATION:
        reference_logits(model, sequence)
    hook.remove()

    _, scales = with_cache_of_bytes(model, tmp_path)

    assert_allclose(scales.values[1] * 127, np.abs(np.concatenate(seen)).max(axis=0), rtol=1e-4)


def test_scales_of_keys_hold_at_every_position(tmp_path):
    model = tiny_llama()
    seen = []
    hook = model.model.layers[1].self_attn.k_proj.register_forward_hook(
        lambda _, inputs, output: seen.append(output[0].numpy())
    )
    for sequence in CALIBRATION:
        reference_logits(model, sequence)
    hook.remove()

    _, scales = with_cache_of_bytes(model, tmp_path)

    first, second = np.split(np.concatenate(seen).reshape(-1, 2, 16), 2, axis=-1)  # (tokens, heads, pairs)
    turned = np.hypot(first, second).max(axis=0)  # whatever angle a position turns a pair by
    assert_allclose(scales.keys[1] * 127, np.concatenate([turned, turned], axis=-1).ravel(), rtol=1e-4)


def test_a_slot_gets_the_same_bits_among_neighbours_in_any_chunks(tmp_path):
    adapter, _ = with_cache_of_bytes(tiny_llama(), tmp_path)
    tokens = tuple(random_tokens(20))
    whole = adapter.step([SlotRows(1, tokens, 0, 20)], logits=True).logits

    for chunk in (1, 2, 3, 7):
        found = []
        for past in range(0, 20, chunk):
            rows = tokens[past : past + chunk]
            beside = SlotRows(0, tuple(random_tokens(chunk + 1, seed=past)), 0, 0)
            step = adapter.step([beside, SlotRows(1, rows, past, len(rows))], logits=True)
            found.append(step.logits)
        assert_array_equal(np.concatenate(found), whole)


def test_a_channel_of_zeros_has_a_scale_all_the_same(tmp_path):
    model = tiny_llama(initializer_range=0.1)
    model.model.layers[0].self_attn.v_proj.weight.data[3] = 0

    adapter, scales = with_cache_of_bytes(model, tmp_path)

    assert scales.values[0][3] == 1
    assert compare_generators(torch_logits(model), served_logits(adapter), HELD_OUT).kl < 0.003


def test_bytes_take_a_quarter_of_the_memory():
    floats = BlockedCaches.allocate(2, (3, 1), 10, 64)

    assert BlockedCaches.allocate(2, (3, 1), 10, 64, "int8").size_bytes * 4 == floats.size_bytes
