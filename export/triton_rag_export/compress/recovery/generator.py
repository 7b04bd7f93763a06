"""Generators in steps that take something away: scored on labelled answers, taught by what they were before.

The model before the step teaches the model after it (`distil_generator`): `alpha` 1 in the settings is plain
fine-tuning without a teacher.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from triton_rag_export.compress.distil_generator.batches import Batch, label_ids, label_logits
from triton_rag_export.compress.distil_generator.distil import train_student
from triton_rag_export.compress.distil_generator.generator_texts import GeneratorTexts
from triton_rag_export.compress.distil_generator.loss import loss_parts
from triton_rag_export.compress.distil_generator.preparation import Prepared, prepare
from triton_rag_export.compress.distil_generator.settings import DistilGeneratorSettings
from triton_rag_export.compress.distil_generator.teacher import on_device
from triton_rag_export.compress.low_rank import Call, LowRankSettings
from triton_rag_export.compress.outcome import Report, StepOutcome
from triton_rag_export.compress.pruning import Loss, PruneSettings
from triton_rag_export.compress.recovery import steps
from triton_rag_export.compress.spread import spread_places
from triton_rag_export.compress.trained_model import save_trained
from triton_rag_export.compress.training.processes import processes

EXAMPLES_A_LOSS = 8


@dataclass(frozen=True, slots=True)
class PruneGeneratorSettings(PruneSettings):
    """The table `[generator.prune]` of a recipe: what to take away, and the recovery.

    Attributes:
        recover: whether the model is trained after each stage.
        recovery: loss, data and training; the stages share its steps. `student` and layers are not looked at.
    """

    recover: bool = True
    recovery: DistilGeneratorSettings = field(default_factory=DistilGeneratorSettings)


@dataclass(frozen=True, slots=True)
class LowRankGeneratorSettings(LowRankSettings):
    """The table `[generator.low_rank]` of a recipe: how far to go, and the recovery.

    Attributes:
        recover: whether the model is trained afterwards.
        recovery: loss, data and training. `student` and layers are not looked at.
    """

    recover: bool = True
    recovery: DistilGeneratorSettings = field(default_factory=DistilGeneratorSettings)


@dataclass(frozen=True, slots=True)
class QuantizeGeneratorSettings:
    """The table `[generator.quantize]` of a recipe: quantization-aware training.

    Attributes:
        recovery: loss, data and training. `student` and layers are not looked at.
    """

    recovery: DistilGeneratorSettings = field(default_factory=DistilGeneratorSettings)


def prune_generator(
    source: Path,
    target: Path,
    settings: PruneGeneratorSettings,
    *,
    data: GeneratorTexts,
    workplace: Path,
    report: Report = lambda progress: None,
) -> StepOutcome:
    """Prune a generator, and let it recover with the model that it was as teacher.

    Args:
        source: the model, a folder as Hugging Face lays it out, compressed ones included, or a GGUF file.
        target: the smaller model's folder; made if it is missing.
        settings: what to take away, and how to recover.
        data: texts, see `read_generator_texts`.
        workplace: checkpoints and what the teacher said; a run that was killed goes on from them.
        report: called after every update, by the first process.

    Raises:
        ExportError: a model or text cannot be used, or training had to stop.
        ValueError: a setting does not fit the model; names field, value and what is allowed.
    """
    recovery = GeneratorRecovery.of(source, settings.recovery, data, workplace, recover=settings.recover)
    return steps.prune(
        recovery, target, settings, recover=settings.recover, workplace=workplace, report=report
    )


def factorize_generator(
    source: Path,
    target: Path,
    settings: LowRankGeneratorSettings,
    *,
    data: GeneratorTexts,
    workplace: Path,
    report: Report = lambda progress: None,
) -> StepOutcome:
    """Factorize a generator's linear layers, and let it recover; arguments as for `prune_generator`."""
    recovery = GeneratorRecovery.of(source, settings.recovery, data, workplace, recover=settings.recover)
    return steps.factorize(
        recovery, target, settings, recover=settings.recover, workplace=workplace, report=report
    )


def quantize_generator(
    source: Path,
    target: Path,
    settings: QuantizeGeneratorSettings,
    *,
    data: GeneratorTexts,
    workplace: Path,
    report: Report = lambda progress: None,
) -> StepOutcome:
    """Train a generator in the arithmetic of its INT8 graph; arguments as for `prune_generator`."""
    recovery = GeneratorRecovery.of(source, settings.recovery, data, workplace, recover=True)
    return steps.train_quantized(recovery, target, workplace=workplace, report=report)


@dataclass(frozen=True, slots=True)
class GeneratorRecovery:
    """See `Recovery`.

    Attributes:
        prepared: model, examples and teacher.
        settings: of loss and training.
    """

    prepared: Prepared
    settings: DistilGeneratorSettings

    @classmethod
    def of(
        cls,
        source: Path,
        settings: DistilGeneratorSettings,
        data: GeneratorTexts,
        workplace: Path,
        *,
        recover: bool,
    ) -> "GeneratorRecovery":
        """Load a model twice, as teacher and to be changed; without recovery nobody is asked."""
        alone = settings if recover else replace(settings, alpha=1.0, answers="given", cached_tokens=0)
        found = replace(alone, student=str(source))
        return cls(prepare(source, found, data, workplace), found)

    @property
    def model(self) -> Any:
        """See `Recovery`."""
        return self.prepared.student

    def losses(self, examples: int) -> Sequence[Loss]:
        """See `Recovery`: cross entropy with the labels."""
        chosen = self._chosen(examples)
        logits = label_logits(self.model)

        def loss_of(batch: Batch) -> Loss:
            def loss(model: Any) -> Any:
                moved = on_device(batch, model.device)
                return loss_parts(logits(model, moved), label_ids(moved), None, 1.0)["hard"]

            return loss

        starts = range(0, len(chosen), EXAMPLES_A_LOSS)
        return [loss_of(self.prepared.collate(chosen[at : at + EXAMPLES_A_LOSS])) for at in starts]

    def calls(self, examples: int) -> Sequence[Call]:
        """See `Recovery`."""
        logits = label_logits(self.model)

        def call_of(batch: Batch) -> Call:
            return lambda model: logits(model, on_device(batch, model.device))

        return [call_of(self.prepared.collate([example])) for example in self._chosen(examples)]

    def train(self, workplace: Path, report: Report, *, parts: int = 1) -> StepOutcome:
        """See `Recovery`."""
        training = self.settings.training
        shared = replace(training, steps=max(1, training.steps // parts))
        settings = replace(self.settings, training=shared)
        return train_student(self.prepared, self.model, settings, workplace, report)

    def save(self, target: Path) -> None:
        """See `Recovery`."""
        if processes().is_main_process:
            save_trained(self.model, self.prepared.tokenizer, target)

    def _chosen(self, examples: int) -> list[Any]:
        items = self.prepared.training.items
        return [(place, items[place]) for place in spread_places(len(items), examples)]
