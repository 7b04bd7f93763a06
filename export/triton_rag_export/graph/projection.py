"""The linear layer behind an encoder's pooling, which gives its vectors another width than its tokens'.

sentence-transformers calls it `Dense`: a student that is narrower or wider than its teacher learns the
teacher's vectors through one. It lies in a folder of its own, `2_Dense`, as `config.json` and
`model.safetensors`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from triton_rag_export.errors import ModelSourceError, UnsupportedModelError
from triton_rag_export.graph.encoder_settings import sentence_modules
from triton_rag_export.graph.linear import LinearWeights
from triton_rag_export.graph.model_source import ModelSource

WEIGHTS_FILE = "model.safetensors"
IDENTITY = "torch.nn.modules.linear.Identity"
WEIGHT, BIAS = "linear.weight", "linear.bias"


def read_projection(source: ModelSource, width: int) -> LinearWeights | None:
    """The projection of an encoder, None where it has none.

    Args:
        source: the encoder.
        width: of its tokens' vectors.

    Returns:
        A weight (width, width of the vectors), and a bias where there is one.

    Raises:
        ModelSourceError: its files cannot be read, or its weight is of another width.
        UnsupportedModelError: there is a function behind it, or its weights are a pickle.
    """
    paths = [path for kind, path in sentence_modules(source.folder) if kind == "Dense"]
    if not paths:
        return None
    folder = source.folder / paths[0]
    activation = _config(folder / "config.json").get("activation_function", "")
    if activation != IDENTITY:
        raise UnsupportedModelError(
            f"model {source.name!r}: {folder / 'config.json'} has the activation_function {activation!r}; "
            f"allowed: {IDENTITY!r}; choose another encoder"
        )
    if not (folder / WEIGHTS_FILE).is_file():
        raise UnsupportedModelError(
            f"model {source.name!r}: {folder} has no {WEIGHTS_FILE}; pickles are not read: save the model "
            "with a newer sentence-transformers"
        )
    return _weights(folder / WEIGHTS_FILE, width)


def torch_linear(layer: LinearWeights) -> Any:
    """The layer as torch's."""
    import torch

    inputs, outputs = layer.weight.shape
    linear = torch.nn.Linear(inputs, outputs, bias=layer.bias is not None)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(layer.weight.T.copy()))
        if layer.bias is not None:
            linear.bias.copy_(torch.from_numpy(layer.bias))
    return linear


def _config(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelSourceError(f"{path} cannot be read ({error}): download the model again") from error


def _weights(path: Path, width: int) -> LinearWeights:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = {name: value.astype(np.float32) for name, value in load_file(path).items()}
        weight, bias = tensors[WEIGHT].T, tensors.get(BIAS)
    except (OSError, KeyError, SafetensorError) as error:
        raise ModelSourceError(f"{path} cannot be read ({error!r}): download the model again") from error
    if weight.ndim != 2 or weight.shape[0] != width:
        raise ModelSourceError(
            f"{path}: {WEIGHT} is {tensors[WEIGHT].shape}; allowed: (width of the vectors, {width})"
        )
    return LinearWeights(np.ascontiguousarray(weight), bias)
