"""Tensors as bytes: the one encoding that gRPC's raw contents and HTTP's binary data share.

Numbers are little-endian; a string is its length as four bytes and then its UTF-8. NaN, which JSON has no
word for, crosses unchanged.
"""

from __future__ import annotations

import operator
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from triton_rag_client.errors import InvalidRequestError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from triton_rag_client.contract import DataType, TensorContract

__all__ = ["InputTensor", "OutputTensor", "decode_tensor", "decode_values", "encode_tensor"]

_NUMPY_TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    "FP32": np.dtype("<f4"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
}
_JSON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "BOOL": (bool,),
    "BYTES": (str,),
    "FP32": (int, float),
    "INT32": (int,),
    "INT64": (int,),
}
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class InputTensor:
    """An input, twice: as values for JSON and as bytes for the binary encodings.

    Attributes:
        name: As in the contract.
        data_type: As in the contract.
        shape: With the batch dimension.
        values: The elements in row-major order.
        raw: The same as bytes.
    """

    name: str
    data_type: DataType
    shape: tuple[int, ...]
    values: tuple[str | int | float, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """An output as it came.

    Attributes:
        name: As the server calls it.
        data_type: As the server calls it.
        shape: With the batch dimension.
        raw: The elements as bytes.
    """

    name: str
    data_type: str
    shape: tuple[int, ...]
    raw: bytes


def encode_tensor(
    contract: TensorContract, values: Sequence[object], *, rows: int, each_row: bool = False
) -> InputTensor:
    """Turn values into an input.

    Args:
        contract: What the server expects.
        values: The elements; checked for type and for what the type can hold, not for the server's ranges.
        rows: Size of the batch dimension.
        each_row: The values are those of one row, to be repeated in every row.

    Raises:
        InvalidRequestError: A value has the wrong type, or its type cannot hold it.
    """
    checked = tuple(_checked(contract, value) for value in values)
    if each_row:
        checked *= rows
    if contract.data_type == "BYTES":
        raw = b"".join(_LENGTH.pack(len(data)) + data for data in map(_utf8, checked))
    else:
        raw = np.asarray(checked, dtype=_NUMPY_TYPES[contract.data_type]).tobytes()
    return InputTensor(contract.name, contract.data_type, (rows, len(checked) // rows), checked, raw)


def decode_tensor(contract: TensorContract, tensor: OutputTensor) -> npt.NDArray[Any]:
    """The elements of an output in NumPy's type of the same name, or `str` objects for BYTES.

    Raises:
        ProtocolError: Type, shape or size is not what the contract says, or a string is not UTF-8.
    """
    described = f"output {tensor.name} ({tensor.data_type}, shape {list(tensor.shape)})"
    if tensor.data_type != contract.data_type or not _fits(contract.dims, tensor.shape[1:]):
        raise ProtocolError(
            f"{described} should be {contract.data_type} with rows of shape {list(contract.dims)}: "
            "the server's repository and this client are of different versions; build it again"
        )
    try:
        if contract.data_type == "BYTES":
            return _strings(tensor.raw).reshape(tensor.shape)
        return np.frombuffer(tensor.raw, dtype=_NUMPY_TYPES[contract.data_type]).reshape(tensor.shape)
    except (ValueError, struct.error) as error:
        raise ProtocolError(
            f"{described} cannot be read from its {len(tensor.raw)} bytes ({error}); "
            "something between client and server changes replies"
        ) from error


def decode_values(contract: TensorContract, value: object) -> npt.NDArray[Any]:
    """The elements of an output that came as JSON: one value, or a list; one row.

    Raises:
        ProtocolError: The values are not what the contract says.
    """
    values = value if isinstance(value, list) else [value]
    kinds = _JSON_TYPES[contract.data_type]
    if not _fits(contract.dims, (len(values),)) or not all(isinstance(value, kinds) for value in values):
        raise ProtocolError(
            f"output {contract.name} is {_shortened(value)} and should be {contract.data_type} of shape "
            f"{list(contract.dims)}: the server's repository and this client are of different versions; "
            "build it again"
        )
    dtype = np.dtype(np.object_) if contract.data_type == "BYTES" else _NUMPY_TYPES[contract.data_type]
    return np.array(values, dtype=dtype).reshape(1, len(values))


def _checked(contract: TensorContract, value: object) -> str | int | float:
    try:
        if contract.data_type == "BYTES":
            return _text(value)
        if contract.data_type == "FP32":
            return _float32(value)
        if contract.data_type == "BOOL":
            return _boolean(value)
        return _integer(value, np.iinfo(_NUMPY_TYPES[contract.data_type]))
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"{contract.name} is {_shortened(value)}: {error}") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it must be a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            "it has lone surrogates and so no UTF-8; decode the text with its encoding"
        ) from error
    return value


def _float32(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise TypeError("it must be a number")
    number = float(value)
    if not abs(number) <= float(np.finfo(np.float32).max):
        raise ValueError("it must be a finite number of 32 bits")
    return number


def _boolean(value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError("it must be True or False")
    return bool(value)


def _integer(value: object, limits: np.iinfo[Any]) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError("it must be a whole number")
    number = operator.index(value)
    if not limits.min <= number <= limits.max:
        raise ValueError(f"it must be between {limits.min} and {limits.max}")
    return number


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _utf8(value: str | int | float) -> bytes:
    return str(value).encode()


def _fits(dims: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(dims) == len(shape) and all(want in (-1, got) for want, got in zip(dims, shape, strict=True))


def _strings(raw: bytes) -> npt.NDArray[np.object_]:
    strings: list[str] = []
    offset = 0
    while offset < len(raw):
        (length,) = _LENGTH.unpack_from(raw, offset)
        end = offset + _LENGTH.size + length
        if end > len(raw):
            raise ValueError(f"a string of {length} bytes ends behind the tensor")
        strings.append(raw[offset + _LENGTH.size : end].decode())
        offset = end
    found = np.empty(len(strings), dtype=np.object_)
    found[:] = strings
    return found
