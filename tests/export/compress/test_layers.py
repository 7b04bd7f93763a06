"""Layers dropped from models, and T5 stacks whose layers look up their own biases."""

import pytest
import torch
from export.graph.tiny_causal_models import random_tokens, tiny_llama, tiny_qwen2
from export.graph.tiny_causal_models import reference_logits as causal_logits
from export.graph.tiny_encoder_decoder_models import reference_logits, tiny_bart, tiny_t5
from tiny_encoders import TinyEncoder, tiny_encoder_model
from transformers import PreTrainedModel
from triton_rag_export.compress import give_own_bias_tables, keep_layers
from triton_rag_export.compress.layers import layers_of

SOURCE, TARGET = random_tokens(30), random_tokens(12, seed=1)


def silent_block(model: PreTrainedModel, index: int) -> None:
    """Make a decoder layer of the Llama family add nothing."""
    layer = model.model.layers[index]
    for linear in (layer.self_attn.o_proj, layer.mlp.down_proj):
        linear.weight.data.zero_()


@pytest.mark.parametrize("make", [tiny_llama, tiny_qwen2])
def test_a_layer_that_adds_nothing_can_go(make) -> None:
    model = make(num_hidden_layers=3)
    silent_block(model, 1)
    expected = causal_logits(model, SOURCE)

    keep_layers(model, [0, 2])

    assert model.config.num_hidden_layers == 2
    assert (causal_logits(model, SOURCE) == expected).all()
    with torch.inference_mode():  # the cache of each layer is found by its new number
        model.generate(torch.tensor([SOURCE]), max_new_tokens=3)


def test_a_t5_that_lost_its_first_layers_still_knows_distances() -> None:
    model = tiny_t5(num_decoder_layers=3)
    for stack in (model.encoder, model.decoder):
        first = stack.block[0].layer
        for part in first[:-1]:
            attention = getattr(part, "SelfAttention", None) or part.EncDecAttention
            attention.o.weight.data.zero_()
        first[-1].DenseReluDense.wo.weight.data.zero_()
    expected = reference_logits(model, SOURCE, TARGET)

    keep_layers(model, [1, 2], stack="encoder")
    keep_layers(model, [1, 2])

    assert (model.config.num_layers, model.config.num_decoder_layers) == (2, 2)
    torch.testing.assert_close(
        torch.from_numpy(reference_logits(model, SOURCE, TARGET)), torch.from_numpy(expected)
    )


def test_own_bias_tables_change_nothing() -> None:
    model = tiny_t5()
    expected = reference_logits(model, SOURCE, TARGET)

    for _ in range(2):  # twice does no harm
        give_own_bias_tables(model.encoder)
        give_own_bias_tables(model.decoder)

    assert (reference_logits(model, SOURCE, TARGET) == expected).all()
    tables = [block.layer[0].SelfAttention.relative_attention_bias.weight for block in model.encoder.block]
    assert len({table.data_ptr() for table in tables}) == len(tables)


def test_both_stacks_of_a_bart_can_lose_layers() -> None:
    model = tiny_bart()

    keep_layers(model, [1], stack="encoder")
    keep_layers(model, [0, 2])

    assert (model.config.encoder_layers, model.config.decoder_layers) == (1, 2)
    assert reference_logits(model, SOURCE, TARGET).shape == (len(TARGET), model.config.vocab_size)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "mpnet"])
def test_encoders_can_lose_layers(family: str) -> None:
    model = tiny_encoder_model(TinyEncoder(family=family))
    tokens = torch.tensor([random_tokens(20)]).clamp(max=200)
    with torch.inference_mode():
        states = model(tokens, output_hidden_states=True).hidden_states

        keep_layers(model, [0])

        assert (model(tokens).last_hidden_state == states[1]).all()
    assert (model.config.num_hidden_layers, len(layers_of(model))) == (1, 1)


def test_a_stack_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="stack is 'encoder'; allowed with llama: decoder"):
        keep_layers(tiny_llama(), [0], stack="encoder")


@pytest.mark.parametrize("kept", [[], [1, 0], [0, 0], [0, 2], [-1]])
def test_layers_that_are_not_there_are_refused(kept: list[int]) -> None:
    with pytest.raises(ValueError, match="allowed: some of 0 to 1, in ascending order"):
        keep_layers(tiny_llama(), kept)
