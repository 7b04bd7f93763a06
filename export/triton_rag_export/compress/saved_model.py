"""Compressed models in folders as Hugging Face lays them out, without pickles.

`config.json` is the model's own, with the key `triton_rag_compressed` that names the version of this format;
the tensors lie in `compressed.safetensors` under transformers' names, and say by their shapes which layers
have which widths and which are of two factors. The file is not called `model.safetensors`, where transformers
itself would look: it would put random numbers where it misses a factor's product, and go on. See
`docs/compressed-models.md`.
"""

import json
from pathlib import Path
from typing import Any

from torch import nn

from triton_rag_export.compress.bias_tables import TABLE, give_own_bias_tables
from triton_rag_export.compress.factorized_linear import FactorizedLinear
from triton_rag_export.compress.widths import match_widths, resized
from triton_rag_export.errors import ModelSourceError

MARK = "triton_rag_compressed"
FORMAT = 1
WEIGHTS_FILE = "compressed.safetensors"

Shapes = dict[str, tuple[int, ...]]


def save_compressed(model: Any, folder: Path) -> None:
    """Write a model with other widths, layers of two factors, or fewer layers than it once had.

    Args:
        model: a transformers model, its configuration counting the layers that are left (`keep_layers`).
        folder: where to; made if it is missing. The tokenizer is written by itself.
    """
    from safetensors.torch import save_model

    folder.mkdir(parents=True, exist_ok=True)
    setattr(model.config, MARK, {"format": FORMAT})
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    if model.can_generate():
        model.generation_config.save_pretrained(folder)
    save_model(model, str(folder / WEIGHTS_FILE))


def is_compressed(folder: Path) -> bool:
    """Whether a folder holds a model that `save_compressed` wrote."""
    return (folder / WEIGHTS_FILE).is_file()


def load_compressed(folder: Path, auto_class: Any) -> Any:
    """Load a model as transformers' class of its kind: to train it, to compress it further, or to export it.

    Args:
        folder: what `save_compressed` wrote.
        auto_class: such as `AutoModelForCausalLM`.

    Returns:
        The model in float32.

    Raises:
        ModelSourceError: a file is missing or broken, of a newer format, or its tensors do not fit together.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_model
    from transformers import AutoConfig, GenerationConfig

    _check_format(folder)
    try:
        model = auto_class.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
        take_shapes(model, _shapes(folder / WEIGHTS_FILE))
        load_model(model, str(folder / WEIGHTS_FILE))
        if (folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(folder)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise ModelSourceError(
            f"{folder / WEIGHTS_FILE} does not fit its config.json ({reason}); compress the model again"
        ) from error
    return model


def take_shapes(model: Any, shapes: Shapes) -> None:
    """Give a model, as transformers made it, the linear layers and tables that tensors of these shapes fill.

    Args:
        model: the model, changed in place.
        shapes: of each tensor, by its name in the model's state.
    """
    for name, stack in model.named_children():
        if hasattr(stack, "block") and f"{name}.block.1.layer.0.SelfAttention.{TABLE}.weight" in shapes:
            give_own_bias_tables(stack)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            fitting = _fitting_linear(name, module, shapes)
            if fitting is not module:
                model.set_submodule(name, fitting)
        elif name.endswith(f".{TABLE}") and f"{name}.weight" in shapes:
            buckets, heads = shapes[f"{name}.weight"]
            model.set_submodule(name, nn.Embedding(buckets, heads))
    _untie(model, shapes)
    match_widths(model)


def _fitting_linear(name: str, linear: nn.Linear, shapes: Shapes) -> nn.Module:
    first, second = (shapes.get(f"{name}.{factor}.weight") for factor in ("first", "second"))
    if first is not None and second is not None:
        (rank, inputs), outputs = first, second[0]
        return FactorizedLinear(inputs, outputs, rank, bias=linear.bias is not None).to(linear.weight)
    outputs, inputs = shapes.get(f"{name}.weight", tuple(linear.weight.shape))
    return linear if (outputs, inputs) == linear.weight.shape else resized(linear, inputs, outputs)


def _untie(model: Any, shapes: Shapes) -> None:
    """Tear apart what transformers tied although there is a tensor for each, as the head of a T5 1.1."""
    seen = set()
    for name, parameter in list(model.named_parameters(remove_duplicate=False)):
        if name in shapes and parameter in seen:
            owner, _, last = name.rpartition(".")
            setattr(model.get_submodule(owner), last, nn.Parameter(parameter.detach().clone()))
        elif name in shapes:
            seen.add(parameter)


def _shapes(weights: Path) -> Shapes:
    from safetensors import safe_open

    with safe_open(weights, "pt") as tensors:
        return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118


def _check_format(folder: Path) -> None:
    path = folder / "config.json"
    try:
        mark = json.loads(path.read_text(encoding="utf-8"))[MARK]
        is_known = mark["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelSourceError(
            f"{path} has no {MARK} with a format ({error!r}), though {WEIGHTS_FILE} lies beside it; "
            "compress the model again"
        ) from error
    if not is_known:
        raise ModelSourceError(
            f"{path}: {MARK} has format {mark['format']!r}; allowed: {FORMAT}; use a newer triton-rag"
        )
