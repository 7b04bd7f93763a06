import numpy as np
import pytest
from export.graph.tiny_causal_models import (
    VARIANTS,
    adapter_of,
    described,
    random_tokens,
    reference_logits,
    tiny_llama,
)
from numpy.testing import assert_allclose
from triton_rag_export.graph.generator_quality import compare_generators, served_logits, torch_logits
from triton_rag_export.graph.smoothing import measure_ranges, smooth

CALIBRATION = [random_tokens(40, seed) for seed in range(1, 4)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_smoothed_model_computes_what_it_did(variant, tmp_path):
    model = VARIANTS[variant]()
    token_ids = random_tokens(30)

    smoothed = smooth(described(model), measure_ranges(model, CALIBRATION))

    logits = served_logits(adapter_of(smoothed, tmp_path))(token_ids)
    assert_allclose(logits, reference_logits(model, token_ids), atol=5e-4)


def test_ranges_are_the_largest_values_seen():
    model = tiny_llama()
    seen = []
    hook = model.model.layers[1].mlp.down_proj.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0][0].numpy())
    )

    ranges = measure_ranges(model, CALIBRATION)

    hook.remove()
    assert_allclose(ranges.layers[1].gated, np.abs(np.concatenate(seen)).max(axis=0))


def test_measuring_leaves_no_hook_behind():
    model = tiny_llama()

    measure_ranges(model, CALIBRATION)

    assert not any(module._forward_pre_hooks for module in model.modules())


def test_smoothing_makes_int8_closer_where_channels_are_uneven(tmp_path):
    model = tiny_llama()
    for layer in model.model.layers:  # the outliers of trained models
        layer.input_layernorm.weight.data[::9] *= 30
        layer.self_attn.q_proj.weight.data[:, ::9] /= 30
        layer.self_attn.k_proj.weight.data[:, ::9] /= 30
        layer.self_attn.v_proj.weight.data[:, ::9] /= 30
    held_out = [random_tokens(50, seed) for seed in range(10, 14)]

    def divergence(name: str, causal_model) -> float:
        (tmp_path / name).mkdir()
        adapter = adapter_of(causal_model, tmp_path / name, "int8")
        return compare_generators(torch_logits(model), served_logits(adapter), held_out).kl

    plain = divergence("plain", described(model))
    smoothed = divergence("smoothed", smooth(described(model), measure_ranges(model, CALIBRATION)))
    assert smoothed < plain / 2
