"""The ragged graph of an encoder-decoder model's decoder: one step over all slots, whatever each brings.

Like the graph of a causal model (see `causal_graph`): all work is done on packed rows, attention writes each
slot's keys and values into its cache, and the head sees the rows whose next token is asked for. The decoder
also attends to the source, whose keys and values `source_encoder_graph` has stored.
"""

from dataclasses import dataclass

import numpy as np

from triton_rag_export.graph.attention_nodes import (
    Caches,
    StepInputs,
    cached_attention_node,
    cross_attention_node,
    declare_sources,
    declare_step,
)
from triton_rag_export.graph.causal_model import CacheKind
from triton_rag_export.graph.encoder_decoder_blocks import (
    BlockBuild,
    embed,
    feed_forward,
    linear,
    query_key_value,
    relative_bias,
    residual,
    shape_of,
)
from triton_rag_export.graph.encoder_decoder_model import (
    Attention,
    EncoderDecoderModel,
    Normalization,
    TransformerLayer,
)
from triton_rag_export.graph.factors import with_bias
from triton_rag_export.graph.gathered_attention import GatheredSource, GatheredStep
from triton_rag_export.graph.linear import LinearWeights, Precision
from triton_rag_export.graph.onnx_builder import Device, GraphBuilder

OPSET = 23


@dataclass(frozen=True, slots=True)
class _Step:
    """Names of what every layer's attention reads."""

    shares: StepInputs | GatheredStep
    sources: str | GatheredSource


def build_decoder_step_graph(
    model: EncoderDecoderModel, *, precision: Precision, cache: CacheKind = "fp32", device: Device = "cpu"
) -> GraphBuilder:
    """Build the graph of one step.

    Inputs, with R rows of all slots, B slots that bring rows, and O output rows: `token_ids` (R,) int64;
    `positions` (R,) int64, how many tokens come before each row; `slots`, `pasts` and `lengths` (B,) int32,
    which slot each share of the rows belongs to, how many tokens its cache holds before them, and how many
    they are; `source_lengths` (B,) int32; `output_rows` (O,) int64; for each layer `key_cache_<layer>`
    (slots, heads, capacity / 16, head_size, 16) and `value_cache_<layer>` (slots, heads, capacity, head_size
    rounded up to 16), which the step writes in place, and `key_cross_<layer>` and `value_cross_<layer>`, the
    sources' caches, likewise.

    Outputs: `logits` (O, vocabulary).

    For a GPU what says where rows belong are the inputs of `GatheredStep` and `GatheredSource`, caches are
    tables (`cache_lines`), and `present_key_cache_<layer>` and `present_value_cache_<layer>` are outputs, to
    be bound to their memory.

    Args:
        model: the model.
        precision: "fp32"; "fp16", weights stored in half the bytes and, on a CPU, computed in FP32; "int8".
        cache: what keys and values are kept in, "fp32" or "fp16".
        device: what will run it; "cuda" takes "fp32" and "fp16" alone.
    """
    graph = GraphBuilder("decoder_step", opset=OPSET, device=device)
    token_ids = graph.input("token_ids", np.int64, ["rows"])
    positions = graph.input("positions", np.int64, ["rows"])
    step = _Step(declare_step(graph, positions), declare_sources(graph))
    output_rows = graph.input("output_rows", np.int64, ["output_rows"])

    def own_positions(table: str) -> str:
        return graph.apply("Gather", table, positions, axis=0, label="own_positions")

    hidden = embed(graph, model.decoder, precision, token_ids, own_positions)  # (rows, hidden)
    build = BlockBuild(graph, model, precision, cache)
    for index, layer in enumerate(model.decoder.layers):
        with graph.scope(f"decoder_{index}"):
            hidden = _layer(build, step, layer, index, hidden)
    _predict(build, graph.apply("Gather", hidden, output_rows, axis=0, label="output_hidden"))
    return graph


def _layer(build: BlockBuild, step: _Step, layer: TransformerLayer, index: int, hidden: str) -> str:
    def write(rows: str, norm: Normalization | None) -> str:
        return _attend_to_target(build, step, layer.attention, index, rows, norm)

    def transform(rows: str, norm: Normalization | None) -> str:
        return feed_forward(build, layer.feed_forward, rows, norm)

    hidden = residual(build, hidden, layer.attention_norm, "attention", write)
    cross, cross_norm = layer.cross_attention, layer.cross_attention_norm
    if cross is not None and cross_norm is not None:
        reading = cross

        def read(rows: str, norm: Normalization | None) -> str:
            return _attend_to_source(build, step, reading, index, rows, norm)

        hidden = residual(build, hidden, cross_norm, "cross_attention", read)
    return residual(build, hidden, layer.feed_forward_norm, "feed_forward", transform)


def _attend_to_target(
    build: BlockBuild, step: _Step, attention: Attention, index: int, rows: str, norm: Normalization | None
) -> str:
    """Attention over what the slot has written so far: (rows, hidden) to (rows, hidden)."""
    graph = build.graph
    attended = cached_attention_node(
        graph,
        query_key_value(build, attention, rows, norm),
        step.shares,
        shape_of(attention),
        caches=Caches.declare(graph, f"cache_{index}", attention.heads, attention.head_size, build.cache),
        bias=relative_bias(graph, attention),
    )
    return linear(build, attended, attention.output, "attention_output", residual=rows)


def _attend_to_source(
    build: BlockBuild, step: _Step, attention: Attention, index: int, rows: str, norm: Normalization | None
) -> str:
    """Attention over the slot's source: (rows, hidden) to (rows, hidden)."""
    graph = build.graph
    attended = cross_attention_node(
        graph,
        linear(build, rows, attention.query, "cross_query", norm=norm),
        step.shares,
        step.sources,
        shape_of(attention),
        Caches.declare(graph, f"cross_{index}", attention.heads, attention.head_size, build.cache),
    )
    return linear(build, attended, attention.output, "cross_attention_output", residual=rows)


def _predict(build: BlockBuild, hidden: str) -> None:
    """Logits of the output rows; the caller finds the largest, faster than ArgMax (see `causal_graph`)."""
    model = build.model
    head = LinearWeights(model.decoder.embedding.T) if model.head is None else model.head
    if model.head_bias is not None:
        head = with_bias(head, model.head_bias)
    linear(build, hidden, head, "head", norm=model.decoder.final_norm, output="logits")
    build.graph.output("logits", np.float32, ["output_rows", model.vocabulary_size])
