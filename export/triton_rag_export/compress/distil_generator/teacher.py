"""A teacher: whoever gives soft labels for a batch, a model in memory or what one has left on disk."""

from typing import Any, Protocol

import torch

from triton_rag_export.compress.distil_generator.batches import Batch, label_logits
from triton_rag_export.compress.distil_generator.soft_labels import SoftLabels


class Teacher(Protocol):
    """Gives soft labels."""

    def soft_labels(self, batch: Batch) -> SoftLabels:
        """Those of a batch's rows, on the batch's device."""


class LiveTeacher:
    """Soft labels of a model in memory, over the whole vocabulary.

    Args:
        model: a transformers model in evaluation mode, on the device of the batches.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._logits = label_logits(model)

    def soft_labels(self, batch: Batch) -> SoftLabels:
        """Those of a batch's rows."""
        with torch.no_grad():
            return SoftLabels.whole(self._logits(self._model, batch))


def on_device(batch: Batch, device: Any) -> Batch:
    """The batch on another device."""
    return {name: tensor.to(device) for name, tensor in batch.items()}
