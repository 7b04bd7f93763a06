"""Attention heads of a size that the kernels take.

`GroupQueryAttention` wants heads of a multiple of eight channels. Others are filled up with channels that are
zero in query, key and value and that nothing reads: scores and results stay the same.
"""

from dataclasses import replace

import numpy as np

from triton_rag_export.graph.encoder_decoder_model import Attention
from triton_rag_export.graph.linear import Floats, LinearWeights

HEAD_SIZE_MULTIPLE = 8


def with_filled_heads(attention: Attention) -> Attention:
    """The same attention with heads of a multiple of eight channels; itself if they are."""
    missing = -attention.head_size % HEAD_SIZE_MULTIPLE
    if not missing:
        return attention
    return replace(
        attention,
        query=_filled_outputs(attention.query, attention.heads, missing),
        key=_filled_outputs(attention.key, attention.heads, missing),
        value=_filled_outputs(attention.value, attention.heads, missing),
        output=LinearWeights(
            _filled(attention.output.weight.T, attention.heads, missing).T, attention.output.bias
        ),
        head_size=attention.head_size + missing,
    )


def _filled_outputs(layer: LinearWeights, heads: int, missing: int) -> LinearWeights:
    bias = None if layer.bias is None else _filled(layer.bias[None], heads, missing)[0]
    return LinearWeights(_filled(layer.weight, heads, missing), bias)


def _filled(channels: Floats, heads: int, missing: int) -> Floats:
    """Rows (·, heads * size) with zeros behind the channels of each head."""
    by_head = channels.reshape(len(channels), heads, -1)
    return np.pad(by_head, ((0, 0), (0, 0), (0, missing))).reshape(len(channels), -1)
