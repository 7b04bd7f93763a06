"""Read a transformers BART or mBART model into a description that graphs are built from.

BART normalizes what each block has written (Lewis et al., 2020, https://arxiv.org/abs/1910.13461); mBART what
it reads, and once more at the end of each stack (Liu et al., 2020, https://arxiv.org/abs/2001.08210). Both
learn their positions, in a table whose first two rows are of no use.
"""

from typing import Any

from triton_rag_export.graph.encoder_decoder_config import covered_activation, start_token_ids_of
from triton_rag_export.graph.encoder_decoder_model import (
    Activation,
    Attention,
    EncoderDecoderModel,
    FeedForward,
    Normalization,
    Stack,
    TransformerLayer,
)
from triton_rag_export.graph.encoder_decoder_smoothing import LayerSites, ModelSites
from triton_rag_export.graph.torch_weights import array_of, linear_of

FAMILIES = frozenset({"bart", "mbart"})


def read_bart(model: Any) -> EncoderDecoderModel:
    """Describe a transformers BART or mBART model.

    Args:
        model: `BartForConditionalGeneration` or `MBartForConditionalGeneration`, in float32.

    Raises:
        UnsupportedModelError: another family, or a setting that the graphs do not cover.
    """
    config = model.config
    activation = covered_activation(
        config, FAMILIES, getattr(config, "activation_function", ""), "activation_function"
    )
    decoder = model.model.decoder
    tied = model.lm_head.weight.data_ptr() == decoder.embed_tokens.weight.data_ptr()
    logits_bias = array_of(model.final_logits_bias)[0]
    return EncoderDecoderModel(
        family=config.model_type,
        norm_first=config.model_type == "mbart",
        encoder=_read_stack(model.model.encoder, activation),
        decoder=_read_stack(decoder, activation),
        head=None if tied else linear_of(model.lm_head),
        head_bias=logits_bias if logits_bias.any() else None,
        start_token_ids=start_token_ids_of(model),
        keeps_down_wide=False,
    )


def bart_sites(model: Any) -> ModelSites:
    """The modules of a BART or mBART model whose inputs smoothing measures."""
    encoder, decoder = (
        tuple(_layer_sites(layer) for layer in stack.layers)
        for stack in (model.model.encoder, model.model.decoder)
    )
    return ModelSites(encoder, decoder, model.model.decoder.layers[0].encoder_attn.k_proj, model.lm_head)


def _layer_sites(layer: Any) -> LayerSites:
    cross = getattr(layer, "encoder_attn", None)
    return LayerSites(
        attention_input=layer.self_attn.q_proj,
        attended=layer.self_attn.out_proj,
        cross_input=None if cross is None else cross.q_proj,
        cross_attended=None if cross is None else cross.out_proj,
        feed_forward_input=layer.fc1,
        opened=layer.fc2,
    )


def _read_stack(stack: Any, activation: Activation) -> Stack:
    final_norm = getattr(stack, "layer_norm", None)
    return Stack(
        embedding=array_of(stack.embed_tokens.weight),
        embedding_scale=float(stack.embed_tokens.embed_scale),
        positions=array_of(stack.embed_positions.weight)[stack.embed_positions.offset :],
        embedding_norm=_normalization(stack.layernorm_embedding),
        layers=tuple(_read_layer(layer, activation) for layer in stack.layers),
        final_norm=None if final_norm is None else _normalization(final_norm),
    )


def _read_layer(layer: Any, activation: Activation) -> TransformerLayer:
    cross = getattr(layer, "encoder_attn", None)
    return TransformerLayer(
        attention=_read_attention(layer.self_attn),
        attention_norm=_normalization(layer.self_attn_layer_norm),
        cross_attention=None if cross is None else _read_attention(cross),
        cross_attention_norm=None if cross is None else _normalization(layer.encoder_attn_layer_norm),
        feed_forward=FeedForward(None, linear_of(layer.fc1), linear_of(layer.fc2), activation),
        feed_forward_norm=_normalization(layer.final_layer_norm),
    )


def _read_attention(attention: Any) -> Attention:
    return Attention(
        query=linear_of(attention.q_proj),
        key=linear_of(attention.k_proj),
        value=linear_of(attention.v_proj),
        output=linear_of(attention.out_proj),
        head_size=int(attention.head_dim),
        scale=float(attention.scaling),
    )


def _normalization(norm: Any) -> Normalization:
    return Normalization(array_of(norm.weight), array_of(norm.bias), float(norm.eps))
