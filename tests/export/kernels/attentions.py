"""Attention as NumPy computes it in doubles, and `CachedAttention` over caches that a test can read."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
from export.operators import Operators
from generation.blocked_caches import BlockedCaches
from triton_rag_export.graph.attention_nodes import (
    AttentionShape,
    Caches,
    StepInputs,
    cached_attention_node,
)
from triton_rag_export.graph.linear import Floats
from triton_rag_export.graph.onnx_builder import GraphBuilder

Doubles = npt.NDArray[np.float64]

SLOTS, POSITIONS, EPSILON = 3, 96, 1e-5


@dataclass(frozen=True, slots=True)
class Attention:
    """An attention over caches.

    Attributes:
        angles: for how many positions there are rotary angles; 0 without.
        reach: how far its relative biases know a difference of positions; None without biases.
        cache: what keys and values are kept in, a key of `DTYPES`.
    """

    heads: int = 6
    kv_heads: int = 2
    head_size: int = 12
    angles: int = 0
    has_norms: bool = False
    reach: int | None = None
    cache: str = "fp32"

    @property
    def row_width(self) -> int:
        """Queries, keys and values side by side."""
        return (self.heads + 2 * self.kv_heads) * self.head_size

    @property
    def shape(self) -> AttentionShape:
        """Widths and normalizations."""
        norms = np.random.default_rng(1).uniform(0.5, 2, (2, self.head_size)).astype(np.float32)
        query_norm, key_norm = norms if self.has_norms else (None, None)
        scale = self.head_size**-0.5
        return AttentionShape(self.heads, self.kv_heads, self.head_size, scale, EPSILON, query_norm, key_norm)

    @property
    def turns(self) -> tuple[Floats, Floats]:
        """Cosines and sines, (positions, head_size / 2)."""
        angles = np.outer(np.arange(self.angles), 0.7 ** np.arange(self.head_size // 2))
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    @property
    def biases(self) -> Floats:
        """(heads, 2 * reach + 1)."""
        reach = self.reach or 0
        return np.random.default_rng(2).normal(size=(self.heads, 2 * reach + 1)).astype(np.float32)

    @property
    def cache_scales(self) -> tuple[Floats, Floats]:
        """Of keys and values, (kv_heads, head_size); some values are out of their range."""
        keys, values = np.random.default_rng(3).uniform(0.01, 0.03, (2, self.kv_heads, self.head_size))
        return keys.astype(np.float32), values.astype(np.float32)

    def caches(self) -> BlockedCaches:
        """Empty caches of `SLOTS` slots."""
        return BlockedCaches.allocate(SLOTS, [self.kv_heads], POSITIONS, self.head_size, self.cache)

    def session(self, operators: Operators, threads: int = 2) -> onnxruntime.InferenceSession:
        """A graph of this attention alone."""
        graph = GraphBuilder("attention")
        rows = graph.input("rows", np.float32, ["rows", self.row_width])
        step = StepInputs.declare(graph)
        caches = Caches.declare(graph, "cache_0", self.kv_heads, self.head_size, self.cache)
        has_bytes = self.cache == "int8"
        key_scale, value_scale = map(graph.constant, self.cache_scales) if has_bytes else ("", "")
        cosines, sines = map(graph.constant, self.turns) if self.angles else ("", "")
        made = cached_attention_node(
            graph,
            rows,
            step,
            self.shape,
            caches=caches,
            rotary=(cosines, sines),
            cache_scales=(key_scale, value_scale),
            bias="" if self.reach is None else graph.constant(self.biases),
        )
        graph.output(made, np.float32, ["rows", self.heads * self.head_size])
        return operators.session(graph, threads=threads)

    def parts(self, rows: Floats) -> tuple[Doubles, Doubles, Doubles]:
        """Queries, keys and values of rows, (heads, rows, head_size)."""
        by_head = rows.astype(np.float64).reshape(len(rows), -1, self.head_size).transpose(1, 0, 2)
        queries, keys, values = np.split(by_head, [self.heads, self.heads + self.kv_heads])
        return queries, keys, values

    def placed(self, heads: Doubles, norm: Floats | None, past: int) -> Doubles:
        """Heads (heads, rows, head_size) normalized and turned to their positions."""
        if norm is not None:
            heads = heads / np.sqrt((heads**2).mean(axis=-1, keepdims=True) + EPSILON) * norm
        if not self.angles:
            return heads
        cosines, sines = (each[past : past + heads.shape[1]].astype(np.float64) for each in self.turns)
        first, second = np.split(heads, 2, axis=-1)
        turned = [first * cosines - second * sines, second * cosines + first * sines]
        return np.concatenate(turned, axis=-1)

    def expected(self, queries: Doubles, keys: Doubles, values: Doubles, past: int) -> Doubles:
        """Placed queries behind `past` keys over all keys, (rows, heads * head_size)."""
        distances = np.arange(keys.shape[1]) - (past + np.arange(queries.shape[1]))[:, None]
        bias: Doubles | float = 0.0
        if self.reach is not None:
            bias = self.biases[:, self.reach + np.clip(distances, -self.reach, self.reach)].astype(np.float64)
        bias = np.where(distances > 0, -np.inf, bias)
        return attended(queries, keys, values, self.shape.scale, bias)


def attended(
    queries: Doubles, keys: Doubles, values: Doubles, scale: float, bias: Doubles | float
) -> Doubles:
    """Softmax attention, (heads, rows, head_size) to (rows, heads * head_size)."""
    group = len(queries) // len(keys)
    keys, values = keys.repeat(group, axis=0), values.repeat(group, axis=0)
    scores = queries @ keys.transpose(0, 2, 1) * scale + bias
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result = weights / weights.sum(axis=-1, keepdims=True) @ values
    return np.asarray(result.transpose(1, 0, 2).reshape(queries.shape[1], -1))


def run_step(
    session: onnxruntime.InferenceSession,
    caches: BlockedCaches,
    rows: Floats,
    shares: Mapping[int, tuple[int, int]],
) -> Floats:
    """Run rows over caches in place.

    Args:
        session: the graph.
        caches: of all slots.
        rows: of all shares, one behind another.
        shares: past and number of rows, by slot.
    """
    numbers = np.array([(slot, *share) for slot, share in shares.items()], np.int32).reshape(-1, 3).T
    inputs = dict(zip(("slots", "pasts", "lengths"), np.ascontiguousarray(numbers), strict=True))
    return run_bound(session, dict(caches.named()) | {"rows": rows} | inputs)


def run_bound(session: onnxruntime.InferenceSession, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Floats:
    """Run a graph on the caller's own memory, as serving does.

    Raises:
        RuntimeError: an operator refuses its inputs.
    """
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    binding.bind_output(session.get_outputs()[0].name, "cpu")
    session.run_with_iobinding(binding)
    return np.asarray(binding.copy_outputs_to_cpu()[0], dtype=np.float32)


def random_rows(count: int, width: int, seed: int) -> Floats:
    """Rows of queries, keys and values."""
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
