"""Attention heads of a size that the kernels take.

`GroupQueryAttention` wants heads of a multiple of eight channels. Others are filled up with channels that are
zero in query, key and value and that nothing reads: scores and results stay the same.
"""

from dataclasses import replace

import numpy as np

from triton_rag_export.graph.encoder_decoder_model import Attention
from triton_rag_export.graph.factors import with_inputs, with_outputs
from triton_rag_export.graph.linear import Floats

HEAD_SIZE_MULTIPLE = 8


def with_filled_heads(attention: Attention) -> Attention:
    """The same attention with heads of a multiple of eight channels; itself if they are."""
    missing = -attention.head_size % HEAD_SIZE_MULTIPLE
    if not missing:
        return attention

    def filled(channels: Floats) -> Floats:
        """Rows (·, heads * size) with zeros behind the channels of each head."""
        by_head = channels.reshape(len(channels), attention.heads, -1)
        return np.pad(by_head, ((0, 0), (0, 0), (0, missing))).reshape(len(channels), -1)

    return replace(
        attention,
        query=with_outputs(attention.query, filled),
        key=with_outputs(attention.key, filled),
        value=with_outputs(attention.value, filled),
        output=with_inputs(attention.output, filled),
        head_size=attention.head_size + missing,
    )
