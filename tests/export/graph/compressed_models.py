"""What compression leaves of a tiny model: other heads and widths in each layer, factors, a layer less."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel
from triton_rag_export.compress import (
    FactorizedLinear,
    cut_channels,
    give_own_bias_tables,
    keep_layers,
    match_widths,
)


def compressed_llama(model: PreTrainedModel) -> PreTrainedModel:
    """Of four layers of four heads, two of them a key head, three are left; their head is of two factors."""
    keep_layers(model, [0, 1, 3])
    first, second, third = model.model.layers
    _keep_heads(second.self_attn, [0, 1], ("q_proj",), "o_proj")
    _keep_heads(second.self_attn, [0], ("k_proj", "v_proj"), None)
    _keep_width(second.mlp, 47, ("gate_proj", "up_proj"), "down_proj")
    _keep_width(third.mlp, 31, ("gate_proj", "up_proj"), "down_proj")
    _factorize(first.self_attn, q_proj=1)
    _factorize(first.mlp, up_proj=7, down_proj=9)
    _factorize(second.self_attn, o_proj=5)
    _factorize(third.self_attn, k_proj=3, v_proj=2)
    _factorize(third.mlp, gate_proj=6, down_proj=1)
    if not model.config.tie_word_embeddings:
        _factorize(model, lm_head=40)
    match_widths(model)
    return model


def compressed_t5(model: PreTrainedModel) -> PreTrainedModel:
    """The encoder has lost its second layer; the decoder, if it has three, its first; and both some heads."""
    give_own_bias_tables(model.encoder)
    give_own_bias_tables(model.decoder)
    keep_layers(model, [0, 2], stack="encoder")
    if len(model.decoder.block) == 3:
        keep_layers(model, [1, 2], stack="decoder")
    _keep_t5_heads(model.encoder.block[1].layer[0].SelfAttention, [0, 3])
    first, second = model.decoder.block
    _keep_t5_heads(first.layer[0].SelfAttention, [1, 2, 4])
    _keep_t5_heads(first.layer[1].EncDecAttention, [0, 4])
    _keep_t5_heads(second.layer[1].EncDecAttention, [2])
    _factorize(model.encoder.block[0].layer[0].SelfAttention, q=1, o=5)
    _factorize(first.layer[1].EncDecAttention, q=4, k=3)
    _factorize(second.layer[0].SelfAttention, v=7)
    dense = model.encoder.block[0].layer[-1].DenseReluDense, first.layer[-1].DenseReluDense
    gate = "wi_0" if hasattr(dense[0], "wi_0") else "wi"
    _keep_width(dense[1], 37, tuple(name for name in ("wi_0", "wi_1", "wi") if hasattr(dense[1], name)), "wo")
    for part in dense:
        _factorize(part, **{gate: 6, "wo": 1})
    match_widths(model)
    return model


def compressed_bart(model: PreTrainedModel) -> PreTrainedModel:
    """Of three decoder layers of three heads two are left; the encoder has lost heads and width."""
    keep_layers(model, [0, 2])
    encoder, decoder = model.model.encoder.layers, model.model.decoder.layers
    _keep_heads(encoder[0].self_attn, [1, 2, 4], ("q_proj", "k_proj", "v_proj"), "out_proj")
    _keep_heads(decoder[1].self_attn, [2], ("q_proj", "k_proj", "v_proj"), "out_proj")
    _keep_heads(decoder[0].encoder_attn, [0, 2], ("q_proj", "k_proj", "v_proj"), "out_proj")
    _keep_width(encoder[1], 33, ("fc1",), "fc2")
    _factorize(encoder[0], fc1=1, fc2=8)
    _factorize(encoder[1].self_attn, v_proj=6, out_proj=5)
    _factorize(decoder[0].encoder_attn, q_proj=3, k_proj=4, v_proj=5)
    _factorize(decoder[1].self_attn, k_proj=2, out_proj=1)
    _factorize(decoder[1], fc2=9)
    match_widths(model)
    return model


def _keep_t5_heads(attention: nn.Module, heads: Sequence[int]) -> None:
    _keep_heads(attention, heads, ("q", "k", "v"), "o", attention.key_value_proj_dim)
    if attention.has_relative_attention_bias:
        table = attention.relative_attention_bias.weight[:, list(heads)]
        attention.relative_attention_bias = nn.Embedding.from_pretrained(table.clone(), freeze=False)


def _keep_heads(
    attention: nn.Module,
    heads: Sequence[int],
    writing: Sequence[str],
    reading: str | None,
    size: int | None = None,
) -> None:
    """Keep some heads of the layers that write them, and of the one that reads them all."""
    size = size or attention.head_dim
    channels = torch.cat([torch.arange(head * size, (head + 1) * size) for head in heads])
    for name in writing:
        setattr(attention, name, cut_channels(getattr(attention, name), outputs=channels))
    if reading is not None:
        setattr(attention, reading, cut_channels(getattr(attention, reading), inputs=channels))


def _keep_width(block: nn.Module, width: int, writing: Sequence[str], reading: str) -> None:
    for name in writing:
        setattr(block, name, cut_channels(getattr(block, name), outputs=torch.arange(width)))
    setattr(block, reading, cut_channels(getattr(block, reading), inputs=torch.arange(width)))


def _factorize(block: nn.Module, **ranks: int) -> None:
    for name, rank in ranks.items():
        setattr(block, name, FactorizedLinear.nearest(getattr(block, name), rank))
