"""Pruning, low rank and quantization-aware training as steps from folder to folder, for any kind of model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triton_rag_export.compress.low_rank import LowRankSettings, factorize_model
from triton_rag_export.compress.outcome import Report, StepOutcome
from triton_rag_export.compress.pruning import PruneSettings, prune_model
from triton_rag_export.compress.quantization import fake_quantized
from triton_rag_export.compress.recovery.recovery import Recovery
from triton_rag_export.graph.quantization_aware import forget_quantization_aware, mark_quantization_aware


def prune(
    recovery: Recovery,
    target: Path,
    settings: PruneSettings,
    *,
    recover: bool,
    workplace: Path,
    report: Report,
) -> StepOutcome:
    """Prune a model, let it recover in each stage, and write it.

    Args:
        recovery: the model, its examples and its training, whose steps are shared by the stages.
        target: the smaller model's folder.
        settings: what to take away.
        recover: whether the model is trained at all.
        workplace: folder of the checkpoints, one folder a stage.
        report: called after every update.
    """
    outcomes: list[StepOutcome] = []

    def train(_: Any, stage: int) -> None:
        folder = workplace / f"stage-{stage + 1}"
        outcomes.append(recovery.train(folder, report, parts=settings.stages))

    forget_quantization_aware(recovery.model)
    losses = recovery.losses(settings.calibration_examples) if settings.importance == "taylor" else ()
    pruned = prune_model(recovery.model, settings, losses, train if recover else None)
    recovery.save(target)
    return _together(outcomes, pruned.parts)


def factorize(
    recovery: Recovery,
    target: Path,
    settings: LowRankSettings,
    *,
    recover: bool,
    workplace: Path,
    report: Report,
) -> StepOutcome:
    """Factorize the linear layers of a model, let it recover, and write it; arguments as for `prune`."""
    forget_quantization_aware(recovery.model)
    found = factorize_model(recovery.model, settings, recovery.calls(settings.calibration_examples))
    outcomes = [recovery.train(workplace / "training", report)] if recover else []
    recovery.save(target)
    chosen = [rank for rank in found.ranks.values() if rank is not None]
    notes = (
        f"{len(chosen)} of {len(found.ranks)} linear layers of two factors",
        f"{found.parameters} of {found.parameters_before} parameters",
        f"{found.lost:.2%} of their outputs' energy lost before training",
    )
    return _together(outcomes, notes)


def train_quantized(recovery: Recovery, target: Path, *, workplace: Path, report: Report) -> StepOutcome:
    """Train a model in the arithmetic of its INT8 graph, and write it; arguments as for `prune`."""
    with fake_quantized(recovery.model):
        outcome = recovery.train(workplace / "training", report)
    mark_quantization_aware(recovery.model)
    recovery.save(target)
    return _together([outcome], ("trained in the arithmetic of INT8",))


def _together(outcomes: Sequence[StepOutcome], notes: Sequence[str]) -> StepOutcome:
    """The sums of several trainings; the quality is that of the last."""
    quality = outcomes[-1].best_quality if outcomes else None
    return StepOutcome(
        training_seconds=sum(outcome.training_seconds for outcome in outcomes),
        training_flops=sum(outcome.training_flops for outcome in outcomes),
        examples=sum(outcome.examples for outcome in outcomes),
        best_quality=quality,
        notes=(*notes, *dict.fromkeys(note for outcome in outcomes for note in outcome.notes)),
    )
