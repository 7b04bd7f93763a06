"""Warm-up samples: every step of the pipeline runs once for each shape it will see, before the first query.

Triton runs a model's `model_warmup` samples while it loads. Their data lie in files of the model's folder
`warmup/`: strings in Triton's serialized form (length as four bytes, little-endian, then the bytes), numbers
raw. Random data will not do: Triton turns random strings into empty ones, which the tokenizer refuses.
"""

import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

WARMUP_FOLDER = "warmup"
TRITON_TYPES = {"int32": "TYPE_INT32", "int64": "TYPE_INT64", "float32": "TYPE_FP32"}


@dataclass(frozen=True, slots=True)
class WarmupInput:
    """One input tensor of a sample, without its batch dimension."""

    name: str
    data_type: str
    """As Triton calls it: TYPE_STRING, TYPE_INT32 ..."""
    dims: tuple[int, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class WarmupSample:
    """One request that Triton sends to a model while loading it."""

    name: str
    inputs: tuple[WarmupInput, ...]


def text_input(name: str, texts: Sequence[str]) -> WarmupInput:
    """A string tensor of shape (len(texts),)."""
    return WarmupInput(name, "TYPE_STRING", (len(texts),), serialize_strings(texts))


def number_input(name: str, values: npt.NDArray[Any]) -> WarmupInput:
    """A tensor of numbers, little-endian; the data type follows the array's."""
    little_endian = values.astype(values.dtype.newbyteorder("<"))
    return WarmupInput(name, TRITON_TYPES[values.dtype.name], values.shape, little_endian.tobytes())


def serialize_strings(texts: Sequence[str]) -> bytes:
    """Strings in Triton's form: four bytes of length, little-endian, then UTF-8, one after the other."""
    encoded = [text.encode("utf-8") for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def count_strings(content: bytes) -> int | None:
    """How many strings `content` holds in Triton's form; None when it is damaged."""
    count = position = 0
    while position + 4 <= len(content):
        (length,) = struct.unpack_from("<I", content, position)
        position += 4 + length
        count += 1
    return count if position == len(content) else None


def write_samples(config: Any, model_folder: Path, samples: Sequence[WarmupSample]) -> None:
    """Replace the warm-up of a model: its samples in `config`, their data under `model_folder/warmup/`.

    Args:
        config: the model's `ModelConfig`, changed in place (the caller writes it).
        model_folder: folder of the model in a repository.
        samples: what to send, in this order.
    """
    folder = model_folder / WARMUP_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    config.ClearField("model_warmup")
    if not samples:
        return
    folder.mkdir(parents=True)
    for sample in samples:
        entry = config.model_warmup.add(name=sample.name, batch_size=1)
        for tensor in sample.inputs:
            file = f"{sample.name}.{tensor.name}"
            (folder / file).write_bytes(tensor.content)
            entry.inputs[tensor.name].data_type = _data_type(tensor.data_type)
            entry.inputs[tensor.name].dims.extend(tensor.dims)
            entry.inputs[tensor.name].input_data_file = file


def int32(*values: int) -> npt.NDArray[np.int32]:
    """The values as a vector of INT32."""
    return np.asarray(values, dtype=np.int32)


def _data_type(name: str) -> int:
    from tritonclient.grpc.model_config_pb2 import DataType

    return int(DataType.Value(name))
