"""How much a model would lose with a weight, a head, a neuron or a layer.

Magnitude takes large weights for important ones. The first-order Taylor expansion of the loss (Molchanov et
al., 2019, https://arxiv.org/abs/1906.10771) estimates what changes when a part becomes zero: a weight `w`
with gradient `g` changes the loss by about `|w * g|`, and parts that vanish together by `|sum(w * g)|` over
them. For a channel that one linear layer reads, the sum over the layer's weights is the gradient of a gate on
the channel, which is how Michel et al. (2019, https://arxiv.org/abs/1905.10650) score heads: no gates have to
be built.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import torch

from triton_rag_export.compress.model_parts import (
    Units,
    head_units,
    layer_linears,
    neuron_units,
    plain_linears,
    reading_linear,
    writing_linear,
)
from triton_rag_export.errors import UnsupportedModelError

ImportanceKind = Literal["magnitude", "taylor"]

Loss = Callable[[Any], torch.Tensor]
"""Runs a model on one batch and gives the loss, one number with a gradient."""


class Importance(ABC):
    """Scores of a model's parts; larger is more important, and only parts of one kind can be compared."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @abstractmethod
    def of_weights(self, linear: str) -> torch.Tensor:
        """A score for each weight of a plain linear layer, by its name: (outputs, inputs)."""

    @abstractmethod
    def of_units(self, units: Units) -> torch.Tensor:
        """A score for each head or neuron: (units,)."""

    @abstractmethod
    def of_layer(self, layer: str) -> float:
        """The score of a whole layer, by its name."""


class MagnitudeImportance(Importance):
    """|w|; for more than one weight the sum."""

    def of_weights(self, linear: str) -> torch.Tensor:
        """See `Importance`."""
        return self._model.get_submodule(linear).weight.detach().abs()  # type: ignore[no-any-return]

    def of_units(self, units: Units) -> torch.Tensor:
        """See `Importance`: over all weights that write or read a unit's channels."""
        find = self._model.get_submodule
        written = (writing_linear(find(name)).weight.detach().abs().sum(1) for name, _ in units.writers)
        read = reading_linear(find(units.reader)).weight.detach().abs().sum(0)
        return sum(_by_unit(channels.float(), units) for channels in (*written, read))  # type: ignore[return-value]

    def of_layer(self, layer: str) -> float:
        """See `Importance`: over the layer's linear weights."""
        names = [name for name in layer_linears(self._model) if name.startswith(f"{layer}.")]
        weights = [p for name in names for p in self._model.get_submodule(name).parameters() if p.ndim == 2]
        return float(sum(weight.detach().abs().sum(dtype=torch.float64) for weight in weights))


class TaylorImportance(Importance):
    """|w * dL/dw|, summed inside the bars over what vanishes together, averaged over batches.

    Args:
        model: the model; it is left as it is, without gradients.
        losses: one for each batch, at least one.
        weights: whether to keep a score a weight as well, in as much memory as the model has.

    Raises:
        ValueError: no batch, or a loss that is not finite; names the batch.
    """

    def __init__(self, model: Any, losses: Iterable[Loss], *, weights: bool = False) -> None:
        super().__init__(model)
        self._places = [*_heads_if_any(model), *neuron_units(model)]
        self._units: dict[str, torch.Tensor] = {}
        self._layers: dict[str, float] = {}
        self._weights: dict[str, torch.Tensor] = {}
        was_training = model.training
        model.eval()
        self._batches = 0
        for loss in losses:
            self._take(loss, weights=weights)
        model.train(was_training)
        if not self._batches:
            raise ValueError("importance 'taylor' without calibration batches; allowed: at least one")

    def of_weights(self, linear: str) -> torch.Tensor:
        """See `Importance`."""
        return self._weights[linear] / self._batches

    def of_units(self, units: Units) -> torch.Tensor:
        """See `Importance`: the gradient of a gate on the unit, |sum of w * g over its reader's weights|."""
        return self._units[units.reader] / self._batches

    def of_layer(self, layer: str) -> float:
        """See `Importance`: of gates on all that the layer adds to its residual."""
        return self._layers[layer] / self._batches

    def _take(self, loss: Loss, *, weights: bool) -> None:
        self._model.zero_grad(set_to_none=True)
        value = loss(self._model)
        found = float(value.detach())
        if not math.isfinite(found):
            raise ValueError(f"the loss of calibration batch {self._batches} is {found}; allowed: finite")
        value.backward()  # type: ignore[no-untyped-call]
        self._batches += 1
        layers: dict[str, torch.Tensor] = {}
        for units in self._places:
            reader = self._model.get_submodule(units.reader)
            channels = _change(reading_linear(reader).weight).sum(0)  # (inputs,)
            _add(self._units, units.reader, _by_unit(channels, units).abs())
            total = channels.sum() + (0 if reader.bias is None else _change(reader.bias).sum())
            layers[units.layer] = layers.get(units.layer, torch.zeros(())) + total
        for layer, total in layers.items():
            self._layers[layer] = self._layers.get(layer, 0.0) + abs(float(total))
        if weights:
            for name in plain_linears(self._model):
                _add(self._weights, name, _change(self._model.get_submodule(name).weight).abs())
        self._model.zero_grad(set_to_none=True)


def measure_importance(
    model: Any, kind: ImportanceKind, losses: Iterable[Loss] = (), *, weights: bool = False
) -> Importance:
    """Score the parts of a model.

    Args:
        model: the model.
        kind: "magnitude", which reads no data, or "taylor".
        losses: of calibration batches, for "taylor".
        weights: whether single weights will be asked for.

    Raises:
        ValueError: "taylor" without a batch, or a loss that is not finite.
    """
    return (
        MagnitudeImportance(model)
        if kind == "magnitude"
        else TaylorImportance(model, losses, weights=weights)
    )


def language_model_loss(batch: dict[str, torch.Tensor]) -> Loss:
    """The loss of a generator on tokens with labels, as transformers computes it."""
    return lambda model: model(**batch).loss


def embedding_loss(encode: Callable[[Any], torch.Tensor], seed: int) -> Loss:
    """For an encoder without labels: the vectors of its texts, along one random direction each.

    The expectation over directions of what it says about a part is how far the vectors move without the part;
    a distance to the model's own vectors would have no gradient.

    Args:
        encode: gives the vectors (texts, width) of a batch by a model.
        seed: of the directions.
    """

    def loss(model: Any) -> torch.Tensor:
        vectors = encode(model)
        directions = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(seed))
        return (vectors * directions.to(vectors)).sum()

    return loss


def _heads_if_any(model: Any) -> Sequence[Units]:
    try:
        return head_units(model)
    except UnsupportedModelError:
        return ()


def _by_unit(channels: torch.Tensor, units: Units) -> torch.Tensor:
    """Sum what each channel has (channels,) over each unit (units,)."""
    return channels.reshape(units.count, -1).sum(1)


def _change(parameter: torch.Tensor) -> torch.Tensor:
    """What each weight, becoming zero, changes the loss by, with its sign."""
    if parameter.grad is None:  # no token of the batch came here
        return torch.zeros_like(parameter, dtype=torch.float32)
    return parameter.detach().float() * parameter.grad.float()


def _add(sums: dict[str, torch.Tensor], name: str, scores: torch.Tensor) -> None:
    sums[name] = sums[name] + scores if name in sums else scores
