"""Distil an encoder: from a teacher's folder to a student's, which a recipe can name in its place."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_rag_export.compress.distil_encoder.data import DistillationData
from triton_rag_export.compress.distil_encoder.examples import training_data
from triton_rag_export.compress.distil_encoder.loss import distillation_loss
from triton_rag_export.compress.distil_encoder.quality import retrieval_quality
from triton_rag_export.compress.distil_encoder.settings import EncoderDistillation
from triton_rag_export.compress.distil_encoder.student import make_student
from triton_rag_export.compress.distil_encoder.teacher_vectors import Vectors, teacher_vectors
from triton_rag_export.compress.distil_encoder.token_texts import TextTokenizer, TokenTexts
from triton_rag_export.compress.distil_encoder.torch_encoder import AS_ITS_FILES_SAY, TorchEncoder
from triton_rag_export.compress.outcome import Report, StepOutcome
from triton_rag_export.compress.training import Task, train
from triton_rag_export.graph.encoder_settings import EncoderExport
from triton_rag_export.graph.model_source import ModelSource, fingerprint, resolve_model

INFLUENCE_TEXTS = 256


def run(
    source: Path,
    target: Path,
    settings: EncoderDistillation,
    *,
    data: DistillationData,
    workplace: Path,
    report: Report = lambda progress: None,
    vectors: Path | None = None,
    export: EncoderExport = AS_ITS_FILES_SAY,
) -> StepOutcome:
    """Train a student of the encoder in `source` and write it to `target`.

    Args:
        source: the teacher, a folder as Hugging Face lays it out.
        target: the student's folder, laid out as sentence-transformers does; made if it is missing.
        settings: how.
        data: texts, labelled pairs, and what quality is measured on.
        workplace: folder of checkpoints, for this student alone. With the same workplace, an interrupted run
            goes on.
        report: called after every step.
        vectors: folder of teachers' vectors: another run with the same texts finds them. None: `workplace`.
        export: how texts become vectors while serving: pooling, normalization, prefixes, limit.

    Raises:
        ExportError: a model cannot be read or does not fit, or the training cannot begin or had to stop.
        ValueError: `layers` does not fit the teacher.
    """
    teacher_source = resolve_model(str(source))
    teacher = TorchEncoder.load(teacher_source, export).eval()
    limit = min(settings.max_tokens, teacher.text.max_tokens)
    tokenizer = TextTokenizer(teacher_source, teacher.text, limit)
    texts = TokenTexts.of(data, tokenizer)
    taught_vectors = teacher_vectors(
        teacher, teacher_source, texts.ids, tokenizer.pad_id, vectors or workplace, report
    )
    spread = texts.ids[:: max(1, len(texts.ids) // INFLUENCE_TEXTS)]
    student = make_student(teacher, teacher_source, settings, [tokenizer.padded([one]) for one in spread])
    taught = Taught(teacher_source, data, texts, taught_vectors.vectors, tokenizer)
    outcome = train_student(student, taught, settings, workplace / "training", report)
    student.save(teacher_source, target)
    return dataclasses.replace(taught_vectors.counted_in(outcome), notes=_notes(student, texts, settings))


@dataclass(frozen=True, slots=True)
class Taught:
    """What a student learns.

    Attributes:
        teacher: whose vectors they are.
        data: texts, labelled pairs, and what quality is measured on.
        texts: their tokens.
        vectors: the teacher's, (texts, width).
        tokenizer: of teacher and student.
    """

    teacher: ModelSource
    data: DistillationData
    texts: TokenTexts
    vectors: Vectors
    tokenizer: TextTokenizer


def train_student(
    student: TorchEncoder, taught: Taught, settings: EncoderDistillation, workplace: Path, report: Report
) -> StepOutcome:
    """Train a student in place.

    Args:
        student: the encoder.
        taught: what it learns.
        settings: of the loss and the training.
        workplace: folder of the checkpoints.
        report: called after every update.
    """
    development, tokenizer = taught.data.development, taught.tokenizer
    task = Task(
        student,
        loss=distillation_loss(settings),
        data=training_data(taught.data, taught.texts, taught.vectors, settings, tokenizer.pad_id),
        loss_weights=settings.weights,
        evaluate=retrieval_quality(development, tokenizer) if development else None,
        identity={"teacher": fingerprint(taught.teacher), **_json_values(settings)},
    )
    return train(task, settings.training, workplace=workplace, report=report)


def _json_values(settings: EncoderDistillation) -> dict[str, Any]:
    """What decides the result beside the training's own settings, for checkpoints."""
    values = dataclasses.asdict(settings)
    del values["training"]
    return json.loads(json.dumps(values, default=str))  # type: ignore[no-any-return]


def _notes(student: TorchEncoder, texts: TokenTexts, settings: EncoderDistillation) -> tuple[str, ...]:
    parts = [f"{name} × {weight:g}" for name, weight in settings.weights.items() if weight]
    layers = student.transformer.config.num_hidden_layers
    return (f"{layers} layers", f"{len(texts.ids):,} texts", f"loss {' + '.join(parts)}")
