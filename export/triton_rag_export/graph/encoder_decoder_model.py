"""An encoder-decoder model as data: what its two graphs are built from, whatever family it came from.

Every layer brings its own widths, read from its weights: a pruned model, whose layers differ, is described
like any other, and any linear layer may be of two factors (`factors`). Weights are float32 and laid out for
`rows @ weight`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.factors import Linear, width_of
from triton_rag_export.graph.linear import Floats

Activation = Literal["relu", "gelu", "gelu_tanh", "silu"]


@dataclass(frozen=True, slots=True)
class EncoderDecoderLayerShape:
    """The widths of one layer.

    Attributes:
        stack: "encoder" or "decoder".
        heads: heads of self-attention.
        cross_heads: heads of the attention over the source; 0 in the encoder.
        feed_forward: width between the two halves of the feed-forward block.
    """

    stack: Literal["encoder", "decoder"]
    heads: int
    cross_heads: int
    feed_forward: int


@dataclass(frozen=True, slots=True, eq=False)
class Normalization:
    """Normalization of a row: over mean and variance with a bias, over the mean square (RMS) without.

    Attributes:
        weight: (channels,).
        bias: (channels,), or None for an RMS normalization.
        epsilon: added to the variance or the mean square.
    """

    weight: Floats
    bias: Floats | None
    epsilon: float


@dataclass(frozen=True, slots=True, eq=False)
class RelativeBias:
    """What T5 adds to an attention score for the distance between two tokens (Raffel et al., 2020,
    https://arxiv.org/abs/1910.10683).

    Attributes:
        by_offset: (heads, 2 * reach + 1); the middle column is for a key at the query's own position, those
            to its right for keys behind it. Keys further away than the reach count as at its end.
    """

    by_offset: Floats

    @property
    def reach(self) -> int:
        """The largest distance that is told apart from the next."""
        return int(self.by_offset.shape[1] // 2)

    @property
    def heads(self) -> int:
        """How many heads there are biases for."""
        return int(self.by_offset.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """One attention block.

    Attributes:
        query: (hidden, heads * head_size).
        key: the same.
        value: the same.
        output: (heads * head_size, hidden).
        head_size: channels of a head.
        scale: factor on the product of query and key.
        bias: added to the scores by distance, one row a head; None without one.
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    head_size: int
    scale: float
    bias: RelativeBias | None = None

    @property
    def heads(self) -> int:
        """How many heads there are, read from the weights."""
        return width_of(self.query) // self.head_size


@dataclass(frozen=True, slots=True, eq=False)
class FeedForward:
    """`down(activation(up(x)))`, or with a gate `down(activation(gate(x)) * up(x))`.

    Attributes:
        gate: (hidden, width), or None.
        up: (hidden, width).
        down: (width, hidden).
        activation: between them.
    """

    gate: Linear | None
    up: Linear
    down: Linear
    activation: Activation


@dataclass(frozen=True, slots=True, eq=False)
class TransformerLayer:
    """One layer of a stack.

    Attributes:
        attention: over the stack's own tokens.
        attention_norm: before it or behind it, as the model has it.
        cross_attention: over the source; None in the encoder.
        cross_attention_norm: None with it.
        feed_forward: the last block.
        feed_forward_norm: of the last block.
    """

    attention: Attention
    attention_norm: Normalization
    cross_attention: Attention | None
    cross_attention_norm: Normalization | None
    feed_forward: FeedForward
    feed_forward_norm: Normalization


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Encoder or decoder.

    Attributes:
        embedding: (vocabulary, hidden).
        embedding_scale: factor on what was looked up in it.
        positions: what is added at each position, (positions, hidden); None with relative positions.
        embedding_norm: behind the sum of both; None without one.
        layers: first to last.
        final_norm: behind the last layer; None without one.
    """

    embedding: Floats
    embedding_scale: float
    positions: Floats | None
    embedding_norm: Normalization | None
    layers: tuple[TransformerLayer, ...]
    final_norm: Normalization | None


@dataclass(frozen=True, slots=True, eq=False)
class EncoderDecoderModel:
    """A model that reads a source and writes a target.

    Attributes:
        family: the model type by transformers' name, such as "t5".
        norm_first: whether a block normalizes what it reads (T5, mBART) or what it has written (BART).
        encoder: reads the source.
        decoder: writes the target.
        head: (hidden, vocabulary), or None when it is the decoder's embedding, transposed.
        head_bias: added to the scores, (vocabulary,); None without one.
        start_token_ids: what the decoder reads before it writes anything, at least one.
        keeps_down_wide: whether the down projections stay float32 when weights are stored in half the bytes:
            T5's grow beyond what FP16 holds (https://github.com/huggingface/transformers/issues/20287).
    """

    family: str
    norm_first: bool
    encoder: Stack
    decoder: Stack
    head: Linear | None
    head_bias: Floats | None
    start_token_ids: tuple[int, ...]
    keeps_down_wide: bool

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return int(self.decoder.embedding.shape[0])

    @property
    def longest_source(self) -> int | None:
        """How many tokens a source may have; None when positions are relative."""
        return _rows(self.encoder.positions)

    @property
    def longest_target(self) -> int | None:
        """How many tokens a target may have; None when positions are relative."""
        return _rows(self.decoder.positions)

    def layer_shapes(self) -> tuple[EncoderDecoderLayerShape, ...]:
        """The widths of each layer, the encoder's first."""
        return tuple(
            EncoderDecoderLayerShape(
                "encoder" if layer.cross_attention is None else "decoder",
                layer.attention.heads,
                0 if layer.cross_attention is None else layer.cross_attention.heads,
                width_of(layer.feed_forward.up),
            )
            for stack in (self.encoder, self.decoder)
            for layer in stack.layers
        )


def _rows(table: Floats | None) -> int | None:
    return None if table is None else int(np.shape(table)[0])


def size_of_all_heads(own: Sequence[Attention], cross: Sequence[Attention]) -> int:
    """Channels of a head, the same in every layer: caches have one size of head, for the source too.

    Raises:
        UnsupportedModelError: heads of different sizes, or a decoder layer that does not read the source.
    """
    sizes = {attention.head_size for attention in (*own, *cross)}
    if len(sizes) != 1 or len(cross) != len(own):
        raise UnsupportedModelError(
            f"the decoder's heads have {sorted(sizes)} channels and {len(cross)} of its {len(own)} layers "
            "read the source; allowed: heads of one size, and layers that all do; choose another model"
        )
    return sizes.pop()
