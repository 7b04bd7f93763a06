"""An encoder's weights made fit for the kernels, without changing what it computes.

Heads are filled up with zeros to the multiple that `GroupQueryAttention` takes, feed-forward layers to the
width of a vector register, so that no loop has a tail that rounds differently.

Biases move to where they cost no pass over the tokens. The key's adds the same to every score of a query,
which softmax drops; the value's passes through the attention unchanged, into the output's. What a block adds
to its residual as a constant, the norm before it adds already; the block's first layer takes it back in its
own bias.
"""

from dataclasses import replace

import numpy as np

from triton_rag_export.graph.bert_weights import BertLayer, BertWeights, NormWeights
from triton_rag_export.graph.linear import Floats, LinearWeights, bias_of

HEAD_MULTIPLE = 8
FEED_FORWARD_MULTIPLE = 16


def filled_up(bert: BertWeights) -> BertWeights:
    """The same encoder with filled-up heads and feed-forward layers, and with biases moved."""
    norm = bert.norm
    layers: list[BertLayer] = []
    for layer in bert.layers:
        constant, moved = _move_attention_biases(layer)
        if layers:
            layers[-1] = replace(layers[-1], output_norm=_raised(layers[-1].output_norm, constant))
        else:
            norm = _raised(norm, constant)
        layers.append(_fill_up(_move_feed_forward_bias(moved), bert.heads))
    return replace(bert, norm=norm, layers=tuple(layers))


def _move_attention_biases(layer: BertLayer) -> tuple[Floats, BertLayer]:
    """What attention adds to every token as a constant, and the layer for rows that hold it already."""
    output = layer.attention_output
    constant = bias_of(output) + bias_of(layer.value).astype(np.float64) @ output.weight
    query_bias = bias_of(layer.query) - constant @ layer.query.weight
    moved = replace(
        layer,
        query=LinearWeights(layer.query.weight, query_bias.astype(np.float32)),
        key=LinearWeights(layer.key.weight),
        value=LinearWeights(layer.value.weight, (-constant @ layer.value.weight).astype(np.float32)),
        attention_output=LinearWeights(output.weight),
    )
    return constant.astype(np.float32), moved


def _move_feed_forward_bias(layer: BertLayer) -> BertLayer:
    constant = bias_of(layer.feed_forward_out)
    first = layer.feed_forward_in
    bias = bias_of(first) - constant.astype(np.float64) @ first.weight
    return replace(
        layer,
        attention_norm=_raised(layer.attention_norm, constant),
        feed_forward_in=LinearWeights(first.weight, bias.astype(np.float32)),
        feed_forward_out=LinearWeights(layer.feed_forward_out.weight),
    )


def _raised(norm: NormWeights, constant: Floats) -> NormWeights:
    return replace(norm, bias=norm.bias + constant)


def _fill_up(layer: BertLayer, heads: int) -> BertLayer:
    first, second = layer.feed_forward_in, layer.feed_forward_out
    missing = -first.weight.shape[1] % FEED_FORWARD_MULTIPLE
    output = np.ascontiguousarray(layer.attention_output.weight.T)
    return replace(
        layer,
        query=_filled_heads(layer.query, heads),
        key=_filled_heads(layer.key, heads),
        value=_filled_heads(layer.value, heads),
        attention_output=LinearWeights(np.ascontiguousarray(_fill_heads(output, heads).T)),
        feed_forward_in=LinearWeights(
            np.pad(first.weight, ((0, 0), (0, missing))), np.pad(bias_of(first), (0, missing))
        ),
        feed_forward_out=LinearWeights(np.pad(second.weight, ((0, missing), (0, 0)))),
    )


def _filled_heads(layer: LinearWeights, heads: int) -> LinearWeights:
    bias = None if layer.bias is None else _fill_heads(layer.bias[None], heads)[0]
    return LinearWeights(_fill_heads(layer.weight, heads), bias)


def _fill_heads(weight: Floats, heads: int) -> Floats:
    """`(inputs, heads * size)` to `(inputs, heads * filled size)`."""
    split = weight.reshape(len(weight), heads, -1)
    missing = -split.shape[2] % HEAD_MULTIPLE
    return np.pad(split, ((0, 0), (0, 0), (0, missing))).reshape(len(weight), -1)
