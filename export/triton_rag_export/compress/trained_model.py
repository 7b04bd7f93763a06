"""A trained model saved so that it loads again: as transformers lays it out where it can, else compressed."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from triton_rag_export.compress.saved_model import MARK, Shapes, save_compressed
from triton_rag_export.compress.widths import count_neurons
from triton_rag_export.errors import TrainingError


def save_trained(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model and its tokenizer into a folder that a recipe can name, without pickles.

    Args:
        model: a transformers model, its configuration counting the layers that are left.
        tokenizer: its transformers tokenizer.
        folder: where to; made if it is missing.

    Raises:
        TrainingError: the folder cannot be written, as on a full disk.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        count_neurons(model)
        if fits_configuration(model):
            if hasattr(model.config, MARK):
                delattr(model.config, MARK)
            model.save_pretrained(folder)
        else:
            save_compressed(model, folder)
        tokenizer.save_pretrained(folder)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What fails while a result is written into a folder becomes an error that says where, and what to do.

    Raises:
        TrainingError: the folder cannot be written.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{folder} cannot be written ({error}): free the disk, and run again; checkpoints are kept"
        ) from error


def fits_configuration(model: Any) -> bool:
    """Whether transformers would make a model with the same tensors of this model's configuration."""
    with torch.device("meta"):
        fresh = type(model)(copy.deepcopy(model.config))
    return _shapes(fresh) == _shapes(model)


def _shapes(model: Any) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
