"""An encoder's weights made fit for the kernels, without changing what it computes.

Heads are filled up with zeros to the multiple that `GroupQueryAttention` takes, feed-forward layers to the
width of a vector register, so that no loop has a tail that rounds differently. Of the attention's biases only
the query's stays: the key's adds the same to every score of a query, which softmax drops; the value's passes
through the attention unchanged, so that the output's bias takes it over.
"""

from dataclasses import replace

import numpy as np

from triton_rag_export.graph.bert_weights import BertLayer, BertWeights
from triton_rag_export.graph.linear import Floats, LinearWeights

HEAD_MULTIPLE = 8
FEED_FORWARD_MULTIPLE = 16


def filled_up(bert: BertWeights) -> BertWeights:
    """The same encoder with filled-up heads and feed-forward layers, and without the biases that can go."""
    return replace(bert, layers=tuple(_layer(layer, bert.heads) for layer in bert.layers))


def _layer(layer: BertLayer, heads: int) -> BertLayer:
    output = layer.attention_output
    value_bias = _bias(layer.value).astype(np.float64) @ output.weight
    missing = -layer.feed_forward_in.weight.shape[1] % FEED_FORWARD_MULTIPLE
    return replace(
        layer,
        query=LinearWeights(
            _fill_heads(layer.query.weight, heads), _fill_heads(_bias(layer.query)[None], heads)[0]
        ),
        key=LinearWeights(_fill_heads(layer.key.weight, heads)),
        value=LinearWeights(_fill_heads(layer.value.weight, heads)),
        attention_output=LinearWeights(
            np.ascontiguousarray(_fill_heads(np.ascontiguousarray(output.weight.T), heads).T),
            (_bias(output) + value_bias).astype(np.float32),
        ),
        feed_forward_in=LinearWeights(
            np.pad(layer.feed_forward_in.weight, ((0, 0), (0, missing))),
            np.pad(_bias(layer.feed_forward_in), (0, missing)),
        ),
        feed_forward_out=replace(
            layer.feed_forward_out, weight=np.pad(layer.feed_forward_out.weight, ((0, missing), (0, 0)))
        ),
    )


def _fill_heads(weight: Floats, heads: int) -> Floats:
    """`(inputs, heads * size)` to `(inputs, heads * filled size)`."""
    split = weight.reshape(len(weight), heads, -1)
    missing = -split.shape[2] % HEAD_MULTIPLE
    return np.pad(split, ((0, 0), (0, 0), (0, missing))).reshape(len(weight), -1)


def _bias(weights: LinearWeights) -> Floats:
    return weights.bias if weights.bias is not None else np.zeros(weights.weight.shape[1], dtype=np.float32)
