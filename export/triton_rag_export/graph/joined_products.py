"""Products of an exported graph made ready for static INT8: those of one input joined, and smoothed.

Every tensor that products with constant matrices read is divided by a factor a channel, by one more `Mul`,
and the matrices take the factor over: SmoothQuant (Xiao et al., 2023, https://arxiv.org/abs/2211.10438),
after which the graph computes what it did. With one scale a tensor, a few large channels would leave the
others few of a byte's steps. The division gives the products a tensor of their own, so that residual
connections, which read the same one, stay floats. And where several products share a symmetric tensor, ONNX
Runtime 1.32 multiplies floats: joined, query, key and value are one product, of bytes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from query_encoding.packing import TokenIds
from query_encoding.sessions import load_session

from triton_rag_export.graph.linear import Floats, smoothing_factors

ALPHA = 0.85
"""How much of the unevenness moves into the weights; chosen from 0.5 to 0.95 on MiniLM-L6."""


def join_and_smooth(model: onnx.ModelProto, texts: Sequence[TokenIds], folder: Path) -> list[str]:
    """Rewrite every product with a constant matrix, in place.

    Args:
        model: a graph of the "single" layout, its weights loaded.
        texts: token ids of the calibration texts, at least one.
        folder: where to write the graph that is run; the files stay behind.

    Returns:
        The names of the products, all of them `MatMul`.
    """
    readers = _products(model)
    maxima = _channel_maxima(model, list(readers), texts, folder)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    written: dict[int, list[onnx.NodeProto]] = {}
    constants: list[onnx.TensorProto] = []
    for name, nodes in readers.items():
        matrices = [weights[node.input[1]] for node in nodes]
        factors = smoothing_factors(maxima[name], np.concatenate(matrices, axis=1), ALPHA)
        new_nodes, new_constants = _smoothed_product(name, nodes, matrices, factors)
        written[id(nodes[0])] = new_nodes
        constants += new_constants
    _replace(model, {id(node) for nodes in readers.values() for node in nodes}, written, constants)
    return [f"{name}_product" for name in readers]


def _products(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    """The products with a constant matrix, by the tensor that they read, in the graph's order."""
    constants = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants:
            found.setdefault(node.input[0], []).append(node)
    return found


def _channel_maxima(
    model: onnx.ModelProto, names: Sequence[str], texts: Sequence[TokenIds], folder: Path
) -> dict[str, Floats]:
    """The largest absolute value of each channel of some tensors, over all texts."""
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    del probed.graph.output[:]
    probed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    path = folder / "probed.onnx"
    onnx.save_model(probed, path, save_as_external_data=True, location="probed.onnx.data")
    session = load_session(path, 0)
    found: dict[str, Floats] = {}
    for text in texts:
        for name, values in zip(names, session.run(names, {"ids": text[None]}), strict=True):
            largest = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
            found[name] = np.maximum(found.get(name, largest), largest)
    return found


def _smoothed_product(
    name: str, nodes: Sequence[onnx.NodeProto], matrices: Sequence[Floats], factors: Floats
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """`Mul`, `MatMul` with the matrices side by side, `Split` where there are several; their constants."""
    joined = (np.concatenate(matrices, axis=1) * factors[:, None]).astype(np.float32)
    product = f"{name}_product"
    outputs = [node.output[0] for node in nodes]
    arrays = {f"{name}_inverse_factors": (1 / factors).astype(np.float32), f"{product}_weight": joined}
    make = onnx.helper.make_node
    new = [make("Mul", [name, f"{name}_inverse_factors"], [f"{name}_smoothed"], f"{name}_smooth")]
    result = outputs[0] if len(nodes) == 1 else f"{product}_joined"
    new.append(make("MatMul", [f"{name}_smoothed", f"{product}_weight"], [result], product))
    if len(nodes) > 1:
        arrays[f"{product}_widths"] = np.array([matrix.shape[1] for matrix in matrices], dtype=np.int64)
        new.append(make("Split", [result, f"{product}_widths"], outputs, f"{product}_split", axis=-1))
    return new, [onnx.numpy_helper.from_array(array, label) for label, array in arrays.items()]


def _replace(
    model: onnx.ModelProto,
    gone: set[int],
    written: dict[int, list[onnx.NodeProto]],
    constants: Sequence[onnx.TensorProto],
) -> None:
    """Put new nodes in the place of the first of those they stand for; drop what nothing reads any more."""
    nodes: list[onnx.NodeProto] = []
    for node in list(model.graph.node):
        nodes += written.get(id(node), []) if id(node) in gone else [node]
    read = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    graph = onnx.helper.make_graph(
        nodes, model.graph.name, model.graph.input, model.graph.output, [*kept, *constants]
    )
    model.graph.CopyFrom(graph)
