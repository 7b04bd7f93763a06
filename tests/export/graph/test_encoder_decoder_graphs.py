import dataclasses

import numpy as np
import onnx
import pytest
from export.graph.tiny_encoder_decoder_models import (
    VARIANTS,
    adapter_of,
    described,
    random_tokens,
    reference_answer,
    reference_logits,
    served_answers,
    tiny_bart,
    tiny_flan,
    tiny_t5,
)
from numpy.testing import assert_allclose
from triton_rag_export.graph.encoder_decoder_model import Attention, RelativeBias
from triton_rag_export.graph.encoder_decoder_quality import (
    SourceAndTarget,
    served_pair_logits,
    torch_pair_logits,
)
from triton_rag_export.graph.generator_quality import compare_generators
from triton_rag_export.graph.linear import LinearWeights

LENGTHS = [1, 2, 7, 19, 33, 40, 51, 64]


@pytest.mark.parametrize("variant", VARIANTS)
def test_scores_equal_transformers_at_every_position(variant, tmp_path):
    model = VARIANTS[variant]()
    served = served_pair_logits(adapter_of(described(model), tmp_path))

    for length in (1, 23, 64):  # shorter and longer than the reach of relative positions
        source, target = random_tokens(length), random_tokens(30, seed=length)
        given = served(SourceAndTarget(tuple(source), tuple(target)))
        expected = reference_logits(model, source, target)
        assert_allclose(given, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("variant", VARIANTS)
def test_answers_equal_transformers_alone_and_eight_at_once(variant, tmp_path):
    model = VARIANTS[variant]()
    adapter = adapter_of(described(model), tmp_path, slots=8)
    sources = [random_tokens(length, seed=length) for length in LENGTHS]
    expected = [reference_answer(model, source, 12) for source in sources]

    assert [served_answers(adapter, [source], 12, first_slot=3)[0] for source in sources] == expected
    assert served_answers(adapter, sources, 12) == expected
    assert len({tuple(answer) for answer in expected}) > 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_smaller_precisions_stay_close(variant, tmp_path):
    model = VARIANTS[variant]()
    pairs = [
        SourceAndTarget(tuple(random_tokens(40, seed)), tuple(random_tokens(30, seed + 50)))
        for seed in range(3)
    ]

    for precision, least_agreement in (("fp16", 0.95), ("int8", 0.75)):
        adapter = adapter_of(described(model), tmp_path, precision)
        quality = compare_generators(torch_pair_logits(model), served_pair_logits(adapter), pairs)
        assert quality.top1_agreement > least_agreement


def test_pruned_heads_bring_their_own_widths_and_biases(tmp_path):
    model = tiny_t5()
    kept = [0, 3]
    for stack in (model.encoder, model.decoder):  # heads whose output counts for nothing
        for part in stack.block[1].layer[:-1]:
            attention = getattr(part, "SelfAttention", None) or part.EncDecAttention
            outputs = attention.o.weight.data.reshape(model.config.d_model, 5, -1)
            outputs[:, [head for head in range(5) if head not in kept]] = 0
    whole = described(model)
    stacks = []
    for stack in (whole.encoder, whole.decoder):
        layer = stack.layers[1]
        cross = layer.cross_attention
        pruned = dataclasses.replace(
            layer,
            attention=_with_heads(layer.attention, kept),
            cross_attention=None if cross is None else _with_heads(cross, kept),
        )
        layers = (stack.layers[0], pruned, *stack.layers[2:])
        stacks.append(dataclasses.replace(stack, layers=layers))
    adapter = adapter_of(dataclasses.replace(whole, encoder=stacks[0], decoder=stacks[1]), tmp_path)
    source, target = random_tokens(30), random_tokens(20, seed=1)

    given = served_pair_logits(adapter)(SourceAndTarget(tuple(source), tuple(target)))

    assert_allclose(given, reference_logits(model, source, target), atol=5e-5)


def test_half_precision_keeps_the_down_projections_of_t5_wide(tmp_path):
    model = tiny_flan()
    for block in model.decoder.block:
        dense = block.layer[-1].DenseReluDense
        dense.wo.weight.data[0, 0] = 1e6  # beyond FP16, as trained T5 weights and activations are
        dense.wi_1.weight.data[0] = 0
    source, target = random_tokens(20), random_tokens(20, seed=1)

    given = served_pair_logits(adapter_of(described(model), tmp_path, "fp16"))(
        SourceAndTarget(tuple(source), tuple(target))
    )

    expected = reference_logits(model, source, target)
    assert_allclose(given, expected, atol=0.02 * np.abs(expected).max())


def test_half_precision_halves_the_weights(tmp_path):
    sizes = {}
    for precision in ("fp32", "fp16", "int8"):
        (tmp_path / precision).mkdir()
        adapter_of(described(tiny_bart()), tmp_path / precision, precision)
        sizes[precision] = sum(path.stat().st_size for path in (tmp_path / precision).glob("*.data"))

    assert sizes["fp32"] > 1.6 * sizes["fp16"]
    assert sizes["fp16"] > sizes["int8"]


def test_layers_share_one_table_of_relative_biases(tmp_path):
    adapter_of(described(tiny_t5()), tmp_path)

    for name, operator in (("generator.onnx", "CachedAttention"), ("source_encoder.onnx", "SourceAttention")):
        graph = onnx.load(str(tmp_path / name), load_external_data=False).graph
        tables = [node.input[-1] for node in graph.node if node.op_type == operator]
        assert len(tables) > 1
        assert len(set(tables)) == 1


def _with_heads(attention: Attention, kept: list[int]) -> Attention:
    def outputs(layer: LinearWeights) -> LinearWeights:
        by_head = layer.weight.reshape(len(layer.weight), attention.heads, -1)
        return LinearWeights(by_head[:, kept].reshape(len(layer.weight), -1))

    by_head = attention.output.weight.reshape(attention.heads, attention.head_size, -1)
    bias = attention.bias
    return dataclasses.replace(
        attention,
        query=outputs(attention.query),
        key=outputs(attention.key),
        value=outputs(attention.value),
        output=LinearWeights(by_head[kept].reshape(len(kept) * attention.head_size, -1)),
        bias=None if bias is None else RelativeBias(bias.by_offset[kept]),
    )
