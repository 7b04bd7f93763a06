import numpy as np
import pytest
from export.graph.tiny_encoder_decoder_models import (
    VARIANTS,
    adapter_of,
    described,
    random_tokens,
    reference_logits,
    tiny_mbart,
    tiny_t5,
)
from numpy.testing import assert_allclose
from triton_rag_export.graph.bart import bart_sites
from triton_rag_export.graph.encoder_decoder_quality import (
    SourceAndTarget,
    served_pair_logits,
    torch_pair_logits,
)
from triton_rag_export.graph.encoder_decoder_smoothing import measure_site_ranges, smooth_encoder_decoder
from triton_rag_export.graph.generator_quality import compare_generators
from triton_rag_export.graph.t5 import t5_sites


def pairs(seeds: range) -> list[SourceAndTarget]:
    return [
        SourceAndTarget(tuple(random_tokens(40, seed)), tuple(random_tokens(30, seed + 100)))
        for seed in seeds
    ]


def count_hooks(model) -> int:
    return sum(len(module._forward_pre_hooks) for module in model.modules())


def smoothed(model):
    sites = t5_sites(model) if model.config.model_type.endswith("t5") else bart_sites(model)
    return smooth_encoder_decoder(described(model), sites, measure_site_ranges(model, sites, pairs(range(3))))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_smoothed_model_computes_what_it_did(variant, tmp_path):
    model = VARIANTS[variant]()
    hooks = count_hooks(model)
    (pair,) = pairs(range(50, 51))

    given = served_pair_logits(adapter_of(smoothed(model), tmp_path))(pair)

    expected = reference_logits(model, list(pair.source), list(pair.target))
    assert_allclose(given, expected, atol=5e-5 * np.abs(expected).max())
    assert count_hooks(model) == hooks


@pytest.mark.parametrize("make", [tiny_t5, tiny_mbart])
def test_smoothing_makes_int8_closer_where_channels_are_uneven(make, tmp_path):
    model = make()
    for layer in [*_stack(model, "encoder"), *_stack(model, "decoder")]:  # the outliers of trained models
        norm, *readers = layer
        norm.weight.data[::7] *= 30
        for reader in readers:
            reader.weight.data[:, ::7] /= 30
    held_out = pairs(range(20, 23))

    def divergence(name: str, description) -> float:
        (tmp_path / name).mkdir()
        adapter = adapter_of(description, tmp_path / name, "int8")
        return compare_generators(torch_pair_logits(model), served_pair_logits(adapter), held_out).kl

    assert divergence("smoothed", smoothed(model)) < divergence("plain", described(model)) / 1.5


def _stack(model, name: str) -> list[tuple]:
    """The normalization before self-attention and what reads it, for each layer of a stack."""
    if model.config.model_type == "t5":
        parts = [block.layer[0] for block in getattr(model, name).block]
        return [
            (part.layer_norm, part.SelfAttention.q, part.SelfAttention.k, part.SelfAttention.v)
            for part in parts
        ]
    layers = getattr(model.model, name).layers
    return [
        (
            layer.self_attn_layer_norm,
            layer.self_attn.q_proj,
            layer.self_attn.k_proj,
            layer.self_attn.v_proj,
        )
        for layer in layers
    ]
