"""A typed builder of ONNX graphs, node by node, over `onnx.helper`.

Our graphs are written by hand because the operators that make them fast are our own (`kernels/`), which no
exporter emits. The builder keeps the book-keeping out of them: node names are unique and carry the scope they
were built in, equal constants are stored once, and weights too big for one protobuf message (2 GB) go to a
file beside the graph.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx

OPSET = 21
KERNELS = "triton_rag"
"""The domain of our own operators."""

EXTERNAL_ABOVE_BYTES = 1 << 30
"""Above this size of all constants together, the big ones are saved beside the graph."""

_EXTERNAL_LEAST_BYTES = 4096
_PAGE_BYTES = 4096

Device = Literal["cpu", "cuda"]
Shape = Sequence[int | str]
Attribute = int | float | str | Sequence[int] | Sequence[float]


class GraphBuilder:
    """Gathers inputs, constants, nodes and outputs of one graph; values are known by their names.

    Args:
        name: the graph's name.
        opset: version of the standard operators.
        device: what will run the graph: a CPU our own operators, a GPU standard ones.
    """

    def __init__(self, name: str, *, opset: int = OPSET, device: Device = "cpu") -> None:
        self.name = name
        self.opset = opset
        self.device = device
        self._scopes: list[str] = []
        self._names: dict[str, int] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, npt.NDArray[Any]] = {}
        self._constant_names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Prefix the names of what is built inside with `name/`; scopes nest."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def input(self, name: str, dtype: npt.DTypeLike, shape: Shape) -> str:
        """Add a graph input; a string in `shape` names a dynamic dimension."""
        self._inputs.append(_value_info(self._claim(name), dtype, shape))
        return name

    def output(self, value: str, dtype: npt.DTypeLike, shape: Shape) -> str:
        """Declare a value, by the name its node gave it (`output=`), as a graph output."""
        self._outputs.append(_value_info(value, dtype, shape))
        return value

    def constant(
        self, array: npt.ArrayLike, dtype: npt.DTypeLike | None = None, *, label: str = "constant"
    ) -> str:
        """Store an array once, however often it is asked for, and return its name."""
        values = np.asarray(array, dtype=dtype, order="C")
        key = (str(values.dtype), values.shape, hashlib.blake2b(values.tobytes(), digest_size=16).digest())
        if key not in self._constant_names:
            name = self._unique(label)
            self._constant_names[key] = name
            self._constants[name] = values
        return self._constant_names[key]

    def constant_shape(self, name: str) -> tuple[int, ...]:
        """The shape of a stored array."""
        return self._constants[name].shape

    def apply(
        self,
        operator: str,
        *inputs: str,
        domain: str = "",
        label: str = "",
        output: str = "",
        **attributes: Attribute,
    ) -> str:
        """Add a node of one output and return its name; an input `""` is an optional one left out.

        Args:
            operator: the operator's name.
            *inputs: names of values.
            domain: `KERNELS` for our own operators.
            label: the node's name, and its output's, by default the operator's; made unique.
            output: the output's name exactly, as `output` declares it.
            **attributes: the operator's attributes.

        Raises:
            ValueError: `output` is taken.
        """
        name = self._unique(label or operator)
        made = self._claim(output) if output else name
        self._add(name, operator, inputs, (made,), domain, attributes)
        return made

    def operators(self) -> set[tuple[str, str]]:
        """Domain and name of every operator that the graph has."""
        return {(node.domain, node.op_type) for node in self._nodes}

    def size_bytes(self) -> int:
        """What all constants take together."""
        return sum(array.nbytes for array in self._constants.values())

    def save(self, path: Path, *, external: bool | None = None) -> None:
        """Write the graph to `path`, and its big constants to `<path>.data` when they are external.

        Args:
            path: the file to write, in a folder that exists.
            external: whether to save constants beside the graph; by default above `EXTERNAL_ABOVE_BYTES`.

        Raises:
            onnx.checker.ValidationError: the graph is not valid ONNX.
        """
        if external is None:
            external = self.size_bytes() > EXTERNAL_ABOVE_BYTES
        tensors = self._write_external(path.with_name(path.name + ".data")) if external else []
        stored = {tensor.name for tensor in tensors}
        tensors += [
            onnx.numpy_helper.from_array(array, name)
            for name, array in self._constants.items()
            if name not in stored
        ]
        versions = {"": self.opset}
        if any(node.domain == KERNELS for node in self._nodes):
            versions[KERNELS] = 1
        opsets = [onnx.helper.make_opsetid(domain, number) for domain, number in versions.items()]
        graph = onnx.helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, tensors)
        model = onnx.helper.make_model(graph, opset_imports=opsets, producer_name="triton-rag", ir_version=10)
        path.write_bytes(model.SerializeToString())
        onnx.checker.check_model(str(path))

    def _write_external(self, path: Path) -> list[onnx.TensorProto]:
        """Write the big constants to one file, each on its own page, so that the runtime can map them."""
        tensors = []
        with path.open("wb") as file:
            for name, array in self._constants.items():
                if array.nbytes < _EXTERNAL_LEAST_BYTES:
                    continue
                file.write(b"\0" * (-file.tell() % _PAGE_BYTES))
                offset = file.tell()
                file.write(array.tobytes())
                tensors.append(_external_tensor(name, array, path.name, offset))
        return tensors

    def _add(
        self,
        name: str,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        domain: str,
        attributes: dict[str, Attribute],
    ) -> None:
        node = onnx.helper.make_node(operator, inputs, outputs, name=name, domain=domain, **attributes)
        self._nodes.append(node)

    def _claim(self, name: str) -> str:
        if name in self._names:
            raise ValueError(f"the graph {self.name} has a value called {name} already: choose another name")
        self._names[name] = 0
        return name

    def _unique(self, label: str) -> str:
        name = "/".join([*self._scopes, label])
        count = self._names.get(name, -1) + 1
        self._names[name] = count
        return self._claim(f"{name}_{count}") if count else name


def without_trailing(inputs: Sequence[str]) -> Sequence[str]:
    """A node's inputs without the optional ones that are left out at their end."""
    count = len(inputs)
    while count and not inputs[count - 1]:
        count -= 1
    return inputs[:count]


def _value_info(name: str, dtype: npt.DTypeLike, shape: Shape) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(
        name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape)
    )


def _external_tensor(name: str, array: npt.NDArray[Any], file_name: str, offset: int) -> onnx.TensorProto:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = onnx.TensorProto(name=name, data_type=dtype, dims=array.shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", file_name), ("offset", offset), ("length", array.nbytes)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
