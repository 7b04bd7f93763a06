"""A model pruned as its settings say: at once, or in stages with training between them.

A gradual schedule is a number of stages. In each, parts go until the share that the cubic schedule of Zhu and
Gupta gives for it, scored anew by what the model is then, and the model recovers. Every stage depends on the
weights before it alone, so that an interrupted run goes on where its training's checkpoints are.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from triton_rag_export.compress.model_parts import (
    Units,
    head_units,
    layer_names,
    neuron_units,
    plain_linears,
    stacks_of,
)
from triton_rag_export.compress.pruning.importance import (
    Importance,
    ImportanceKind,
    Loss,
    measure_importance,
)
from triton_rag_export.compress.pruning.masks import (
    Scope,
    WeightMasks,
    check_fraction,
    two_of_four_masks,
    unstructured_masks,
)
from triton_rag_export.compress.pruning.schedule import cubic_sparsity
from triton_rag_export.compress.pruning.structured import choose_units, cut_layers, cut_units, own_tables
from triton_rag_export.compress.training.settings import check_choice, check_range

Recover = Callable[[Any, int], None]
"""Trains the model in place, in the stage of this number, from 0."""


@dataclass(frozen=True, slots=True)
class PruneSettings:
    """What to take away.

    Attributes:
        importance: "taylor", by the first-order change of the loss over calibration data, or "magnitude".
        heads: share of each attention's heads to cut out, 0 to below 1; one always stays. Query heads that
            share a key head go together.
        neurons: share of the feed-forward neurons to cut out, 0 to below 1.
        layers: share of each stack's layers to drop, 0 to below 1; one always stays. Together with heads or
            neurons all of them go in the first stage.
        weights: single weights to set to zero: "none", "unstructured", or "2:4", two of each four along the
            inputs.
        sparsity: share of the single weights to set to zero with "unstructured", 0 to below 1.
        scope: "layer": the same share of each layer; "model": the least important of all layers together.
        neuron_multiple: feed-forward widths that are left are multiples of it, 1 to 1024.
        stages: in how many steps, with recovery after each, 1 to 1000; 1 is one-shot.
        calibration_examples: how many examples "taylor" is measured on, 1 to 100000.

    Raises:
        ValueError: a value is out of range, or nothing is to be taken away; names field, value and range.
    """

    importance: ImportanceKind = "taylor"
    heads: float = 0.0
    neurons: float = 0.0
    layers: float = 0.0
    weights: Literal["none", "unstructured", "2:4"] = "none"
    sparsity: float = 0.0
    scope: Scope = "layer"
    neuron_multiple: int = 16
    stages: int = 1
    calibration_examples: int = 64

    def __post_init__(self) -> None:
        for name in ("heads", "neurons", "layers", "sparsity"):
            check_fraction(name, getattr(self, name))
        check_choice("importance", self.importance, ("magnitude", "taylor"))
        check_choice("weights", self.weights, ("none", "unstructured", "2:4"))
        check_choice("scope", self.scope, ("layer", "model"))
        check_range("neuron_multiple", self.neuron_multiple, 1, 1024)
        check_range("stages", self.stages, 1, 1000)
        check_range("calibration_examples", self.calibration_examples, 1, 100_000)
        if (self.weights == "unstructured") != (self.sparsity > 0):
            allowed = "above 0" if self.weights == "unstructured" else "0"
            raise ValueError(f'sparsity is {self.sparsity}; allowed with weights "{self.weights}": {allowed}')
        if self.weights == "none" and not (self.heads or self.neurons or self.layers):
            raise ValueError('weights is "none"; allowed without heads, neurons and layers: another one')


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken away.

    Attributes:
        parts: a phrase for each kind, such as "6 of 12 heads gone".
    """

    parts: tuple[str, ...]


def prune_model(
    model: Any, settings: PruneSettings, losses: Sequence[Loss], recover: Recover | None = None
) -> Pruned:
    """Prune a model in place.

    Args:
        model: of the BERT or Llama family, T5 or BART.
        settings: what to take away.
        losses: of calibration batches; read by "taylor" alone.
        recover: trains the model after each stage; without it there is no training.

    Raises:
        ValueError: "taylor" without batches, a loss that is not finite, or 2:4 of a layer whose inputs are no
            multiple of four.
        UnsupportedModelError: a family, or heads of a family, that pruning does not cover.
    """
    pruning = _Pruning(model, settings, losses)
    for stage in range(settings.stages):
        pruning.cut(stage + 1)
        if recover is not None:
            with pruning.held():
                recover(model, stage)
    return Pruned(pruning.parts)


class _Pruning:
    """A model that is pruned stage by stage, and what it once had."""

    def __init__(self, model: Any, settings: PruneSettings, losses: Sequence[Loss]) -> None:
        self._model, self._settings, self._losses = model, settings, losses
        self._layers = _layer_counts(model)
        self._masks: WeightMasks | None = None
        if settings.heads:
            own_tables(model)
        self._before: dict[str, list[int]] = {}

    def cut(self, stage: int) -> None:
        """Take away what is to be gone after this stage, from 1."""
        settings = self._settings
        if settings.layers:
            # Places whose units are counted over several stages have to be the same in all of them.
            at_once = settings.heads or settings.neurons
            share = settings.layers if at_once else self._share(stage, settings.layers)
            cut_layers(self._model, self._importance(), share, before=self._layers)
        if settings.heads or settings.neurons:
            importance = self._importance()
            if settings.heads:
                self._cut_units("heads", head_units(self._model), importance, stage, multiple=1)
            if settings.neurons:
                places = neuron_units(self._model)
                self._cut_units("neurons", places, importance, stage, multiple=settings.neuron_multiple)
        if settings.weights != "none":
            self._mask(stage)

    def held(self) -> AbstractContextManager[None]:
        """Masked weights stay at zero while something trains the model."""
        return nullcontext() if self._masks is None else self._masks.held(self._model)

    @property
    def parts(self) -> tuple[str, ...]:
        """What is gone, in words."""
        model, settings = self._model, self._settings
        phrases = []
        if settings.layers:
            phrases.append(_gone(sum(self._layers.values()), sum(_layer_counts(model).values()), "layers"))
        for kind, find in (("heads", head_units), ("neurons", neuron_units)):
            if getattr(settings, kind):
                left = sum(units.count for units in find(model))
                phrases.append(_gone(sum(self._before[kind]), left, kind))
        if self._masks is not None:
            share, matrices = self._masks.sparsity, len(self._masks.kept)
            phrases.append(f"{share:.1%} of the weights of {matrices} matrices zero")
        return tuple(phrases)

    def _share(self, stage: int, final: float) -> float:
        return cubic_sparsity(stage, self._settings.stages, final)

    def _importance(self, *, weights: bool = False) -> Importance:
        return measure_importance(self._model, self._settings.importance, self._losses, weights=weights)

    def _cut_units(
        self, kind: str, places: Sequence[Units], importance: Importance, stage: int, *, multiple: int
    ) -> None:
        before = self._before.setdefault(kind, [units.count for units in places])
        share = self._share(stage, getattr(self._settings, kind))
        scores = [importance.of_units(units) for units in places]
        chosen = choose_units(scores, share, self._settings.scope, multiple=multiple, before=before)
        for units, kept in zip(places, chosen, strict=True):
            cut_units(self._model, units, kept)

    def _mask(self, stage: int) -> None:
        importance = self._importance(weights=True)
        scores = {name: importance.of_weights(name) for name in plain_linears(self._model)}
        # What is gone already is zero, and so are both its scores: it stays gone.
        if self._settings.weights == "2:4":
            self._masks = two_of_four_masks(scores)
        else:
            share = self._share(stage, self._settings.sparsity)
            self._masks = unstructured_masks(scores, share, self._settings.scope)
        self._masks.apply(self._model)


def _layer_counts(model: Any) -> dict[str, int]:
    return {stack: len(layer_names(model, stack)) for stack in stacks_of(model)}


def _gone(before: int, left: int, what: str) -> str:
    return f"{before - left} of {before} {what} gone"
