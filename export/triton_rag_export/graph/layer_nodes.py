"""Linear layers of a model as nodes, whether they are one matrix or two, alone or reading the same rows."""

from collections.abc import Sequence

import numpy as np

from triton_rag_export.graph.factors import FactorizedWeights, Linear
from triton_rag_export.graph.gpu_linear import gpu_linear_node
from triton_rag_export.graph.linear import Floats, LinearWeights
from triton_rag_export.graph.linear_node import Activation, Factors, Norm, linear_node
from triton_rag_export.graph.onnx_builder import GraphBuilder
from triton_rag_export.graph.side_by_side import side_by_side

_ONNX_FLOAT = 1


def embedding_node(graph: GraphBuilder, table: Floats, token_ids: str, *, precision: str) -> str:
    """Rows of a table (vocabulary, hidden), which is stored in half the bytes unless all is FP32."""
    if precision == "fp32":
        return graph.apply("Gather", graph.constant(table, label="embedding"), token_ids, axis=0)
    half = graph.constant(table.astype(np.float16), label="embedding")
    rows = graph.apply("Gather", half, token_ids, axis=0)
    return graph.apply("Cast", rows, to=_ONNX_FLOAT, label="embedded")


def layer_node(
    graph: GraphBuilder,
    rows: str,
    layer: Linear,
    *,
    precision: str,
    norm: Norm | Factors | None = None,
    has_zero_points: bool = False,
    activation: Activation = Activation.NONE,
    is_gated: bool = False,
    residual: str = "",
    result_norm: Norm | None = None,
    label: str = "linear",
    output: str = "",
) -> str:
    """A linear layer of one node, or two where it is factorized; arguments as those of `linear_node`."""
    plain_node = gpu_linear_node if graph.device == "cuda" else linear_node
    if isinstance(layer, FactorizedWeights):
        rows = plain_node(
            graph,
            rows,
            layer.first,
            precision=precision,
            norm=norm,
            has_zero_points=has_zero_points,
            label=f"{label}_first",
        )
        layer, norm, has_zero_points = layer.second, None, False
    return plain_node(
        graph,
        rows,
        layer,
        precision=precision,
        norm=norm,
        has_zero_points=has_zero_points,
        activation=activation,
        is_gated=is_gated,
        residual=residual,
        result_norm=result_norm,
        label=label,
        output=output,
    )


def gated_node(
    graph: GraphBuilder,
    rows: str,
    gate: Linear,
    up: Linear,
    *,
    precision: str,
    norm: Norm | None,
    activation: Activation,
    label: str,
) -> str:
    """`activation(gate(norm(rows))) * up(norm(rows))`, in one node unless a layer is factorized."""
    if isinstance(gate, LinearWeights) and isinstance(up, LinearWeights):
        both = side_by_side([gate, up])
        return layer_node(
            graph,
            rows,
            both,
            precision=precision,
            norm=norm,
            activation=activation,
            is_gated=True,
            label=label,
        )
    opened = layer_node(
        graph, rows, gate, precision=precision, norm=norm, activation=activation, label=f"{label}_gate"
    )
    raised = layer_node(graph, rows, up, precision=precision, norm=norm, label=f"{label}_up")
    return graph.apply("Mul", opened, raised, label=label)


def joined_node(
    graph: GraphBuilder,
    rows: str,
    layers: Sequence[Linear],
    *,
    precision: str,
    norm: Norm | Factors | None = None,
    label: str,
) -> str:
    """What layers that read the same rows give, side by side: one node unless one is factorized."""
    plain = [layer for layer in layers if isinstance(layer, LinearWeights)]
    if len(plain) == len(layers):
        return layer_node(graph, rows, side_by_side(plain), precision=precision, norm=norm, label=label)
    parts = [
        layer_node(graph, rows, layer, precision=precision, norm=norm, label=f"{label}_{number}")
        for number, layer in enumerate(layers)
    ]
    return graph.apply("Concat", *parts, axis=-1, label=label)
