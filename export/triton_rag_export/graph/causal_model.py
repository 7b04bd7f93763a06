"""A causal language model as data: what the graph is built from, whatever family it came from.

Every layer brings its own widths, read from its weights: a pruned model, whose layers differ, is described
like any other, and any linear layer may be of two factors (`factors`). Weights are float32 and laid out for
`rows @ weight`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from triton_rag_export.graph.factors import Linear, width_of
from triton_rag_export.graph.linear import Floats

GeneratorPrecision = Literal["fp32", "fp16", "int8", "int4"]
CacheKind = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True, slots=True)
class LayerShape:
    """The widths of one layer.

    Attributes:
        heads: attention heads of the queries.
        kv_heads: heads of keys and values; each serves `heads / kv_heads` query heads.
        feed_forward: width between the two halves of the feed-forward block.
    """

    heads: int
    kv_heads: int
    feed_forward: int


@dataclass(frozen=True, slots=True, eq=False)
class DecoderLayer:
    """The weights of one layer: attention with rotary positions, then a gated feed-forward block (SwiGLU).

    Attributes:
        attention_norm: weight of the RMS normalization before attention, (hidden,).
        query: (hidden, heads * head_size).
        key: (hidden, kv_heads * head_size).
        value: (hidden, kv_heads * head_size).
        query_norm: weight of the normalization of each query head, (head_size,); None without one.
        key_norm: the same for keys; both or neither.
        attention_output: (heads * head_size, hidden).
        feed_forward_norm: weight of the normalization before the feed-forward block, (hidden,).
        gate: (hidden, feed_forward).
        up: (hidden, feed_forward).
        down: (feed_forward, hidden).
    """

    attention_norm: Floats
    query: Linear
    key: Linear
    value: Linear
    query_norm: Floats | None
    key_norm: Floats | None
    attention_output: Linear
    feed_forward_norm: Floats
    gate: Linear
    up: Linear
    down: Linear

    def shape(self, head_size: int) -> LayerShape:
        """The widths of the layer, read from its weights."""
        heads, kv_heads = (width_of(layer) // head_size for layer in (self.query, self.key))
        return LayerShape(heads, kv_heads, width_of(self.gate))


@dataclass(frozen=True, slots=True, eq=False)
class RotaryPositions:
    """Rotary positions (Su et al., 2021, https://arxiv.org/abs/2104.09864), one frequency a pair of channels.

    Attributes:
        inverse_frequencies: (head_size / 2,); linear and Llama-3 scaling are already in them.
        scale: factor on cosine and sine.
    """

    inverse_frequencies: Floats
    scale: float = 1.0

    def tables(self, positions: int) -> tuple[Floats, Floats]:
        """Cosine and sine of the first positions, each (positions, head_size / 2)."""
        angles = np.arange(positions, dtype=np.float32)[:, None] * self.inverse_frequencies
        return np.cos(angles) * np.float32(self.scale), np.sin(angles) * np.float32(self.scale)


@dataclass(frozen=True, slots=True, eq=False)
class CausalModel:
    """A decoder-only language model.

    Attributes:
        family: the model type by transformers' name, such as "llama".
        head_size: channels of an attention head.
        norm_epsilon: added to the mean square in every RMS normalization.
        embedding: (vocabulary, hidden).
        layers: first to last.
        final_norm: weight of the normalization before the head, (hidden,).
        head: (hidden, vocabulary), or None when it is the embedding, transposed.
        rotary: positions of queries and keys.
    """

    family: str
    head_size: int
    norm_epsilon: float
    embedding: Floats
    layers: tuple[DecoderLayer, ...]
    final_norm: Floats
    head: Linear | None
    rotary: RotaryPositions

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return int(self.embedding.shape[0])

    def layer_shapes(self) -> tuple[LayerShape, ...]:
        """The widths of each layer."""
        return tuple(layer.shape(self.head_size) for layer in self.layers)
