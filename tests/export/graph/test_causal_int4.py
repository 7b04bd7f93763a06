"""A causal model in INT4, quantized layer by layer."""

import copy

import numpy as np
import pytest
import torch
from export.graph.tiny_causal_models import (
    VARIANTS,
    adapter_of,
    described,
    random_tokens,
    reference_logits,
    tiny_llama,
)
from generation import SlotRows
from numpy.testing import assert_array_equal
from triton_rag_export.graph.block_grid import rounded
from triton_rag_export.graph.causal_int4 import BITS, BLOCK_SIZE, quantize_layers
from triton_rag_export.graph.causal_model import CausalModel
from triton_rag_export.graph.generator_quality import compare_generators, served_logits, torch_logits

CALIBRATION = [random_tokens(60, seed) for seed in range(20, 36)]
HELD_OUT = [random_tokens(50, seed) for seed in range(10, 14)]


def by_rounding(layer, _):
    return rounded(layer, bits=BITS, block_size=BLOCK_SIZE)


def with_related_tokens(model):
    """The model with embeddings of few directions, as training leaves them: channels then go together."""
    generator = torch.Generator().manual_seed(3)
    tokens, hidden = model.model.embed_tokens.weight.shape
    few = torch.randn(tokens, 9, generator=generator) @ torch.randn(9, hidden, generator=generator)
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(0.1).add_(0.3 * few)
    return model


def exact(reference: CausalModel, folder):
    """The logits of a quantized model in FP32: what its codes stand for, without rounded activations."""
    folder.mkdir()
    return served_logits(adapter_of(reference, folder, "fp32"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_graph_computes_what_the_codes_stand_for(variant, tmp_path):
    model = VARIANTS[variant]()
    quantized = quantize_layers(described(model), model, CALIBRATION[:2])
    expected = exact(quantized, tmp_path / "fp32")
    (tmp_path / "int4").mkdir()

    found = served_logits(adapter_of(quantized, tmp_path / "int4", "int4"))

    assert compare_generators(expected, found, HELD_OUT).kl < 0.05


def test_gptq_stays_closer_than_rounding(tmp_path):
    model = with_related_tokens(tiny_llama(initializer_range=0.1))
    divergences = {}
    for name, method in (("gptq", {}), ("rounding", {"quantize": by_rounding})):
        quantized = quantize_layers(described(model), model, CALIBRATION, **method)
        (tmp_path / name).mkdir()
        served = served_logits(adapter_of(quantized, tmp_path / name, "int4"))
        divergences[name] = compare_generators(torch_logits(model), served, HELD_OUT).kl

    assert divergences["gptq"] < 0.7 * divergences["rounding"]


def test_each_group_is_calibrated_on_what_quantized_weights_give():
    model = tiny_llama()
    rows = []
    hook = model.model.layers[1].mlp.down_proj.register_forward_pre_hook(
        lambda _, inputs: rows.append(inputs[0][0].double().numpy())
    )
    seen = []

    def watched(layer, hessian):
        seen.append(hessian)
        return by_rounding(layer, hessian)

    quantized = quantize_layers(described(model), model, CALIBRATION[:2], watched)

    rows.clear()
    modules = model.model.layers
    with torch.no_grad():
        for layer, module in zip(quantized.layers, modules, strict=True):
            parts = (
                (module.self_attn.q_proj, layer.query),
                (module.self_attn.k_proj, layer.key),
                (module.self_attn.v_proj, layer.value),
                (module.self_attn.o_proj, layer.attention_output),
                (module.mlp.gate_proj, layer.gate),
                (module.mlp.up_proj, layer.up),
            )
            for linear, part in parts:
                linear.weight.copy_(torch.from_numpy(part.weight.T))
        modules[0].mlp.down_proj.weight.copy_(torch.from_numpy(quantized.layers[0].down.weight.T))
    for sequence in CALIBRATION[:2]:
        reference_logits(model, sequence)
    hook.remove()
    expected = sum(part.T @ part for part in rows)
    np.testing.assert_allclose(seen[-1], expected, rtol=1e-3, atol=1e-3 * np.diag(expected).max())


def test_quantizing_leaves_the_model_as_it_was():
    model = tiny_llama()
    before = copy.deepcopy(model.state_dict())

    quantize_layers(described(model), model, CALIBRATION[:2])

    for name, tensor in model.state_dict().items():
        assert_array_equal(tensor.numpy(), before[name].numpy())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_slot_gets_the_same_bits_among_neighbours(tmp_path):
    model = tiny_llama()
    quantized = quantize_layers(described(model), model, CALIBRATION[:2])
    adapter = adapter_of(quantized, tmp_path, "int4", slots=3)
    tokens = tuple(random_tokens(9))
    alone = adapter.step([SlotRows(1, tokens, 0, 9)], logits=True).logits
    next_alone = adapter.step([SlotRows(1, (5,), 9, 1)], logits=True).logits

    for count in (1, 2, 5):
        first = SlotRows(0, tuple(random_tokens(count, seed=1)), 0, 0)
        last = SlotRows(2, tuple(random_tokens(count + 3, seed=2)), 0, 0)
        together = adapter.step([first, SlotRows(1, tokens, 0, 9), last], logits=True).logits
        assert_array_equal(together, alone)
        assert_array_equal(adapter.step([first, SlotRows(1, (5,), 9, 1)], logits=True).logits, next_alone)


def test_float_layers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="quantize_layers"):
        adapter_of(described(tiny_llama()), tmp_path, "int4")
