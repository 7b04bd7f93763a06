"""Read a transformers model of the T5 family into a description that graphs are built from.

T5 1.0 (ReLU, tied and scaled head), T5 1.1 and flan-T5 (gated GELU, a head of its own) and mT5 are one
architecture with parts exchanged; the parts are read from the modules that are there. What the graphs do not
compute is refused here, by name, rather than exported wrongly.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from triton_rag_export.graph.encoder_decoder_config import covered_activation, start_token_ids_of
from triton_rag_export.graph.encoder_decoder_model import (
    Activation,
    Attention,
    EncoderDecoderModel,
    FeedForward,
    Normalization,
    RelativeBias,
    Stack,
    TransformerLayer,
)
from triton_rag_export.graph.encoder_decoder_smoothing import LayerSites, ModelSites
from triton_rag_export.graph.torch_weights import array_of, linear_of, uncovered

FAMILIES = frozenset({"t5", "mt5"})


def read_t5(model: Any) -> EncoderDecoderModel:
    """Describe a transformers model of the T5 family.

    Args:
        model: `T5ForConditionalGeneration` or `MT5ForConditionalGeneration`, in float32.

    Raises:
        UnsupportedModelError: another family, or a setting that the graphs do not cover.
    """
    config = model.config
    activation = covered_activation(
        config, FAMILIES, getattr(config, "dense_act_fn", ""), "feed_forward_proj"
    )
    encoder, decoder = (_read_stack(stack, activation) for stack in (model.encoder, model.decoder))
    tied = model.lm_head.weight.data_ptr() == model.decoder.embed_tokens.weight.data_ptr()
    if getattr(config, "scale_decoder_outputs", False):
        decoder = replace(decoder, final_norm=_scaled(decoder.final_norm, config.d_model**-0.5))
    return EncoderDecoderModel(
        family=config.model_type,
        norm_first=True,
        encoder=encoder,
        decoder=decoder,
        head=None if tied else linear_of(model.lm_head),
        head_bias=None,
        start_token_ids=start_token_ids_of(model),
        keeps_down_wide=True,
    )


def t5_sites(model: Any) -> ModelSites:
    """The modules of a T5 model whose inputs smoothing measures."""
    encoder, decoder = (
        tuple(_layer_sites(block.layer) for block in stack.block) for stack in (model.encoder, model.decoder)
    )
    return ModelSites(encoder, decoder, model.decoder.block[0].layer[1].EncDecAttention.k, model.lm_head)


def _layer_sites(parts: Any) -> LayerSites:
    own, dense = parts[0].SelfAttention, parts[-1].DenseReluDense
    cross = parts[1].EncDecAttention if len(parts) == 3 else None
    return LayerSites(
        attention_input=own.q,
        attended=own.o,
        cross_input=None if cross is None else cross.q,
        cross_attended=None if cross is None else cross.o,
        feed_forward_input=dense.wi_0 if hasattr(dense, "wi_0") else dense.wi,
        opened=dense.wo,
    )


def _read_stack(stack: Any, activation: Activation) -> Stack:
    blocks = zip(stack.block, _relative_biases(stack), strict=True)
    return Stack(
        embedding=array_of(stack.embed_tokens.weight),
        embedding_scale=1.0,
        positions=None,
        embedding_norm=None,
        layers=tuple(_read_layer(block.layer, bias, activation) for block, bias in blocks),
        final_norm=_normalization(stack.final_layer_norm),
    )


def _relative_biases(stack: Any) -> list[RelativeBias]:
    """What each layer adds: from a table of its own, or as the layer before; equal ones are one."""
    biases: list[RelativeBias] = []
    for index, block in enumerate(stack.block):
        attention = block.layer[0].SelfAttention
        if hasattr(attention, "relative_attention_bias"):
            own = _relative_bias(attention)
            equal = (bias for bias in biases if np.array_equal(bias.by_offset, own.by_offset))
            biases.append(next(equal, own))
        elif index:
            biases.append(biases[-1])
        else:
            raise uncovered(attention.config, "relative_attention_bias", None, "a table in the first layer")
    return biases


def _relative_bias(attention: Any) -> RelativeBias:
    """The bias of every distance up to where transformers' logarithmic buckets end."""
    import torch

    reach = int(attention.relative_attention_max_distance)
    buckets = attention._relative_position_bucket(
        torch.arange(-reach, reach + 1),
        bidirectional=not attention.is_decoder,
        num_buckets=attention.relative_attention_num_buckets,
        max_distance=reach,
    )
    return RelativeBias(np.ascontiguousarray(array_of(attention.relative_attention_bias.weight[buckets]).T))


def _read_layer(parts: Any, bias: RelativeBias, activation: Activation) -> TransformerLayer:
    own, feed_forward = parts[0], parts[-1]
    cross = parts[1] if len(parts) == 3 else None
    return TransformerLayer(
        attention=_read_attention(own.SelfAttention, bias),
        attention_norm=_normalization(own.layer_norm),
        cross_attention=None if cross is None else _read_attention(cross.EncDecAttention, None),
        cross_attention_norm=None if cross is None else _normalization(cross.layer_norm),
        feed_forward=_read_feed_forward(feed_forward.DenseReluDense, activation),
        feed_forward_norm=_normalization(feed_forward.layer_norm),
    )


def _read_attention(attention: Any, bias: RelativeBias | None) -> Attention:
    read = Attention(
        query=linear_of(attention.q),
        key=linear_of(attention.k),
        value=linear_of(attention.v),
        output=linear_of(attention.o),
        head_size=int(attention.key_value_proj_dim),
        scale=1.0,
        bias=bias,
    )
    if bias is not None and bias.heads != read.heads:
        allowed = f"{bias.heads}, one for each column of relative_attention_bias"
        raise uncovered(attention.config, "a layer's number of heads", read.heads, allowed)
    return read


def _read_feed_forward(dense: Any, activation: Activation) -> FeedForward:
    gated = hasattr(dense, "wi_0")
    return FeedForward(
        gate=linear_of(dense.wi_0) if gated else None,
        up=linear_of(dense.wi_1 if gated else dense.wi),
        down=linear_of(dense.wo),
        activation=activation,
    )


def _scaled(norm: Normalization | None, factor: float) -> Normalization | None:
    """The normalization that also multiplies: T5 1.0 scales what its tied head reads."""
    return None if norm is None else replace(norm, weight=(norm.weight * factor).astype(np.float32))


def _normalization(norm: Any) -> Normalization:
    return Normalization(array_of(norm.weight), None, float(norm.variance_epsilon))
