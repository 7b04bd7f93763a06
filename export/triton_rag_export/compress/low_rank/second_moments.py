"""What the linear layers of a model read: the second moment of their inputs over calibration data.

For inputs X it is X^T X: how far each direction of the inputs matters for the layer's outputs.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

Call = Callable[[Any], object]
"""Runs a model on one batch; what it gives is not read."""

Moments = dict[str, torch.Tensor]
"""X^T X of each layer's inputs, (inputs, inputs) float64, by the layer's name."""


def second_moments(model: Any, linears: Sequence[str], calls: Iterable[Call]) -> Moments:
    """Run calibration batches through a model and watch its linear layers.

    Layers that read the very same rows, as query, key and value, share one matrix: it is computed and kept
    once. Memory: that of a float64 matrix of (inputs, inputs) for each site.

    Args:
        model: the model; it is left as it is.
        linears: names of the layers to watch.
        calls: one for each batch, at least one. Batches without padding: a padded row counts like any other.

    Raises:
        ValueError: no batch, or a layer that no batch went through; names it.
    """
    watch = _Watch()
    hooks = [model.get_submodule(name).register_forward_pre_hook(watch.hook(name)) for name in linears]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for call in calls:
                call(model)
                watch.add()
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was_training)
    unseen = [name for name in linears if name not in watch.moments]
    if unseen:
        raise ValueError(f"no calibration batch went through {unseen[0]}; allowed: at least one batch")
    return watch.moments


class _Watch:
    """Adds up. Layers share a matrix as long as all rows that they have read were the very same."""

    def __init__(self) -> None:
        self.moments: Moments = {}
        self._pending: Moments = {}
        self._rows: Any = None
        self._moment = torch.empty(0)

    def hook(self, name: str) -> Callable[[Any, tuple[Any, ...]], None]:
        def take(_: Any, inputs: tuple[Any, ...]) -> None:
            if name in self._pending:
                self.add()
            if inputs[0] is not self._rows:
                self._rows = inputs[0]
                rows = inputs[0].detach().flatten(0, -2).double()  # (rows, inputs)
                self._moment = rows.T @ rows
            self._pending[name] = self._moment

        return take

    def add(self) -> None:
        """Add what was read since the last time; once for layers that shared both sums and rows."""
        sums: dict[tuple[int, int], torch.Tensor] = {}
        for name, moment in self._pending.items():
            before = self.moments.get(name)
            key = id(before), id(moment)
            if key not in sums:
                sums[key] = moment if before is None else before + moment
            self.moments[name] = sums[key]
        self._pending, self._rows = {}, None
