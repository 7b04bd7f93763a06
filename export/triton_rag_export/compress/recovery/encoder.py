"""Encoders in steps that take something away: scored on unlabelled texts, taught by what they were before.

The vectors of the encoder before the step are what it learns again (`distil_encoder`), with its rankings and
labelled pairs if the settings weigh them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from triton_rag_export.compress.distil_encoder import DistillationData, EncoderDistillation, TorchEncoder
from triton_rag_export.compress.distil_encoder.distil import Taught, train_student
from triton_rag_export.compress.distil_encoder.student import make_student
from triton_rag_export.compress.distil_encoder.teacher_vectors import teacher_vectors
from triton_rag_export.compress.distil_encoder.token_texts import TextTokenizer, TokenIds, TokenTexts
from triton_rag_export.compress.distil_encoder.torch_encoder import AS_ITS_FILES_SAY
from triton_rag_export.compress.low_rank import Call, LowRankSettings
from triton_rag_export.compress.model_parts import layer_names
from triton_rag_export.compress.outcome import Report, StepOutcome
from triton_rag_export.compress.pruning import Loss, PruneSettings, embedding_loss
from triton_rag_export.compress.recovery import steps
from triton_rag_export.compress.spread import spread_places
from triton_rag_export.compress.training.processes import processes
from triton_rag_export.graph.encoder_settings import EncoderExport
from triton_rag_export.graph.model_source import ModelSource, resolve_model

TEXTS_A_LOSS = 8


@dataclass(frozen=True, slots=True)
class PruneEncoderSettings(PruneSettings):
    """The table `[encoder.prune]` of a recipe: what to take away, and the recovery.

    Attributes:
        recover: whether the model is trained after each stage.
        recovery: loss and training; the stages share its steps. `student` and layers are not looked at.
    """

    recover: bool = True
    recovery: EncoderDistillation = field(default_factory=EncoderDistillation)


@dataclass(frozen=True, slots=True)
class LowRankEncoderSettings(LowRankSettings):
    """The table `[encoder.low_rank]` of a recipe: how far to go, and the recovery.

    Attributes:
        recover: whether the model is trained afterwards.
        recovery: loss and training. `student` and layers are not looked at.
    """

    recover: bool = True
    recovery: EncoderDistillation = field(default_factory=EncoderDistillation)


@dataclass(frozen=True, slots=True)
class QuantizeEncoderSettings:
    """The table `[encoder.quantize]` of a recipe: quantization-aware training.

    Attributes:
        recovery: loss and training. `student` and layers are not looked at.
    """

    recovery: EncoderDistillation = field(default_factory=EncoderDistillation)


def prune_encoder(
    source: Path,
    target: Path,
    settings: PruneEncoderSettings,
    *,
    data: DistillationData,
    workplace: Path,
    report: Report = lambda progress: None,
    export: EncoderExport = AS_ITS_FILES_SAY,
) -> StepOutcome:
    """Prune an encoder, and let it recover with the encoder that it was as teacher.

    Args:
        source: the encoder, a folder as Hugging Face lays it out, compressed ones included.
        target: the smaller encoder's folder, as sentence-transformers lays it out; made if it is missing.
        settings: what to take away, and how to recover.
        data: texts, labelled pairs, and what quality is measured on.
        workplace: the teacher's vectors and checkpoints; a run that was killed goes on from them.
        report: called after every update, by the first process.
        export: how texts become vectors while serving: pooling, normalization, prefixes, limit.

    Raises:
        ExportError: the model cannot be read, or training cannot begin or had to stop.
        ValueError: a setting does not fit the model; names field, value and what is allowed.
    """
    recovery = EncoderRecovery.of(source, settings.recovery, data, workplace, export)
    return steps.prune(
        recovery, target, settings, recover=settings.recover, workplace=workplace, report=report
    )


def factorize_encoder(
    source: Path,
    target: Path,
    settings: LowRankEncoderSettings,
    *,
    data: DistillationData,
    workplace: Path,
    report: Report = lambda progress: None,
    export: EncoderExport = AS_ITS_FILES_SAY,
) -> StepOutcome:
    """Factorize an encoder's linear layers, and let it recover; arguments as for `prune_encoder`."""
    recovery = EncoderRecovery.of(source, settings.recovery, data, workplace, export)
    return steps.factorize(
        recovery, target, settings, recover=settings.recover, workplace=workplace, report=report
    )


def quantize_encoder(
    source: Path,
    target: Path,
    settings: QuantizeEncoderSettings,
    *,
    data: DistillationData,
    workplace: Path,
    report: Report = lambda progress: None,
    export: EncoderExport = AS_ITS_FILES_SAY,
) -> StepOutcome:
    """Train an encoder in the arithmetic of its INT8 graph; arguments as for `prune_encoder`."""
    recovery = EncoderRecovery.of(source, settings.recovery, data, workplace, export)
    return steps.train_quantized(recovery, target, workplace=workplace, report=report)


@dataclass(frozen=True, slots=True)
class EncoderRecovery:
    """See `Recovery`.

    Attributes:
        source: the encoder before the step.
        encoder: what the step changes.
        data: texts, pairs and development data.
        texts: their tokens.
        tokenizer: of both.
        settings: of loss and training.
        workplace: of the teacher's vectors.
        export: how texts become vectors while serving.
    """

    source: ModelSource
    encoder: TorchEncoder
    data: DistillationData
    texts: TokenTexts
    tokenizer: TextTokenizer
    settings: EncoderDistillation
    workplace: Path
    export: EncoderExport

    @classmethod
    def of(
        cls,
        source: Path,
        settings: EncoderDistillation,
        data: DistillationData,
        workplace: Path,
        export: EncoderExport,
    ) -> "EncoderRecovery":
        """Load an encoder and read the texts."""
        found = resolve_model(str(source))
        teacher = TorchEncoder.load(found, export)
        layers = tuple(range(len(layer_names(teacher.transformer, "encoder"))))
        whole = replace(settings, layers=layers, choose="spaced", student="")
        tokenizer = TextTokenizer(found, teacher.text, min(whole.max_tokens, teacher.text.max_tokens))
        encoder = make_student(teacher, found, whole, ())
        return cls(found, encoder, data, TokenTexts.of(data, tokenizer), tokenizer, whole, workplace, export)

    @property
    def model(self) -> Any:
        """See `Recovery`."""
        return self.encoder.transformer

    def losses(self, examples: int) -> Sequence[Loss]:
        """See `Recovery`: how far vectors move, in random directions."""
        chosen = self._chosen(examples)

        def loss_of(ids: Sequence[TokenIds], seed: int) -> Loss:
            return embedding_loss(lambda _: self._vectors(ids), seed)

        starts = range(0, len(chosen), TEXTS_A_LOSS)
        return [loss_of(chosen[at : at + TEXTS_A_LOSS], at) for at in starts]

    def calls(self, examples: int) -> Sequence[Call]:
        """See `Recovery`."""

        def call_of(ids: TokenIds) -> Call:
            return lambda _: self._vectors([ids])

        return [call_of(ids) for ids in self._chosen(examples)]

    def train(self, workplace: Path, report: Report, *, parts: int = 1) -> StepOutcome:
        """See `Recovery`."""
        settings = self.settings
        teacher = TorchEncoder.load(self.source, self.export).eval()
        vectors = teacher_vectors(
            teacher, self.source, self.texts.ids, self.tokenizer.pad_id, self.workplace, report
        )
        taught = Taught(self.source, self.data, self.texts, vectors.vectors, self.tokenizer)
        training = replace(settings.training, steps=max(1, settings.training.steps // parts))
        settings = replace(settings, training=training)
        return vectors.counted_in(train_student(self.encoder, taught, settings, workplace, report), parts)

    def save(self, target: Path) -> None:
        """See `Recovery`."""
        if processes().is_main_process:
            self.encoder.save(self.source, target)

    def _vectors(self, ids: Sequence[TokenIds]) -> torch.Tensor:
        batch = self.tokenizer.padded(ids)
        vectors: torch.Tensor = self.encoder(
            **{name: value.to(self.model.device) for name, value in batch.items()}
        )
        return vectors

    def _chosen(self, examples: int) -> list[TokenIds]:
        ids = self.texts.ids
        return [ids[place] for place in spread_places(len(ids), examples)]
