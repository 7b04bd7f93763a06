"""How many channels a row gets from all operations of a layer: what memory of activations is bounded by.

Counted as if nothing were given back before the layer's end.
"""

from triton_rag_export.graph.causal_model import DecoderLayer
from triton_rag_export.graph.encoder_decoder_model import Attention, Stack, TransformerLayer
from triton_rag_export.graph.factors import Linear, rank_of, width_of

ATTENTION_COPIES = 2
"""Queries, keys and values side by side, and what attention makes of them."""
HIDDEN_COPIES_A_BLOCK = 2
"""What a block adds to the residual stream, and that normalized behind the sum, as BART does."""
FEED_FORWARD_COPIES = 3
"""Gate times up in one piece; factorized, gate, up and their product."""


def causal_layer_channels(layers: tuple[DecoderLayer, ...]) -> int:
    """Channels of the widest layer of a causal model."""
    return max(map(_causal, layers))


def stack_layer_channels(stack: Stack) -> int:
    """Channels of the widest layer of an encoder's or decoder's stack."""
    return max(map(_transformer, stack.layers))


def _causal(layer: DecoderLayer) -> int:
    attention = (layer.query, layer.key, layer.value, layer.attention_output)
    feed_forward = (layer.gate, layer.up, layer.down)
    return (
        2 * HIDDEN_COPIES_A_BLOCK * len(layer.attention_norm)
        + ATTENTION_COPIES * sum(map(width_of, attention[:3]))
        + FEED_FORWARD_COPIES * width_of(layer.gate)
        + _ranks(*attention, *feed_forward)
    )


def _transformer(layer: TransformerLayer) -> int:
    block = layer.feed_forward
    attentions = [each for each in (layer.attention, layer.cross_attention) if each is not None]
    feed_forward = [each for each in (block.gate, block.up, block.down) if each is not None]
    return (
        (1 + len(attentions)) * HIDDEN_COPIES_A_BLOCK * len(layer.attention_norm.weight)
        + sum(map(_attention, attentions))
        + FEED_FORWARD_COPIES * width_of(block.up)
        + _ranks(*feed_forward)
    )


def _attention(attention: Attention) -> int:
    layers = (attention.query, attention.key, attention.value)
    return ATTENTION_COPIES * sum(map(width_of, layers)) + _ranks(*layers, attention.output)


def _ranks(*layers: Linear) -> int:
    return sum(rank_of(layer) or 0 for layer in layers)
