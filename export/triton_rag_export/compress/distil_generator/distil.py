"""Distillation of a generator: from a teacher's folder to a student's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from triton_rag_export.compress.distil_generator.batches import IGNORED, Batch, label_ids, label_logits
from triton_rag_export.compress.distil_generator.generator_texts import GeneratorTexts
from triton_rag_export.compress.distil_generator.loss import loss_parts, loss_weights
from triton_rag_export.compress.distil_generator.preparation import Prepared, prepare
from triton_rag_export.compress.distil_generator.quality import StudentQuality, student_quality
from triton_rag_export.compress.distil_generator.settings import DistilGeneratorSettings
from triton_rag_export.compress.outcome import Report, StepOutcome
from triton_rag_export.compress.trained_model import save_trained
from triton_rag_export.compress.training import Task, TrainingData, train
from triton_rag_export.compress.training.processes import processes


def distil_generator(
    source: Path,
    target: Path,
    settings: DistilGeneratorSettings,
    *,
    data: GeneratorTexts,
    workplace: Path,
    report: Report = lambda progress: None,
) -> StepOutcome:
    """Train a student and write it, with its tokenizer, into a folder that a recipe can name.

    Quality, as progress reports it, is minus the loss on development data at temperature 1:
    `-(alpha * cross entropy + (1 - alpha) * KL)`.

    Args:
        source: the teacher, a folder as Hugging Face lays it out, compressed ones included, or a GGUF file.
        target: the student's folder; made if it is missing.
        settings: student, loss, data and training.
        data: texts, see `read_generator_texts`.
        workplace: checkpoints, the teacher's answers and its soft labels; a run that was killed goes on from
            them. It may be removed afterwards.
        report: called after every update, by the first process.

    Raises:
        ExportError: a model or text cannot be used, or training had to stop.
        ValueError: a setting does not fit the model; names field, value and what is allowed.
    """
    prepared = prepare(source, settings, data, workplace)
    before = measure(prepared, prepared.student)
    outcome = train_student(prepared, prepared.student, settings, workplace / "training", report)
    after = measure(prepared, prepared.student)
    if processes().is_main_process:
        save_trained(prepared.student, prepared.tokenizer, target)
    return replace(outcome, notes=(*_notes(prepared), _change(before, after)))


def train_student(
    prepared: Prepared, student: Any, settings: DistilGeneratorSettings, workplace: Path, report: Report
) -> StepOutcome:
    """Train a student in place.

    Args:
        prepared: examples and teacher.
        student: a transformers model.
        settings: of the loss and the training.
        workplace: folder of the checkpoints.
        report: called after every update.
    """
    logits, teacher = label_logits(student), prepared.teacher if settings.needs_teacher else None
    items = prepared.training.items

    def loss(module: Any, batch: Batch) -> dict[str, Any]:
        soft_labels = None if teacher is None else teacher.soft_labels(batch)
        return loss_parts(logits(module, batch), label_ids(batch), soft_labels, settings.temperature)

    def quality(module: Any) -> float:
        found = measure(prepared, module)
        return -(settings.alpha * found.loss + (1 - settings.alpha) * (found.kl or 0.0))

    task = Task(
        student,
        loss=loss,
        loss_weights=loss_weights(settings.alpha),
        data=TrainingData(
            list(enumerate(items)),
            prepared.collate,
            ids=[item.name or f"example {number}" for number, item in enumerate(items)],
            lengths=[len(item.prompt) + len(item.answer) for item in items],
        ),
        weigh=lambda batch: float((batch["labels"] != IGNORED).sum()),
        evaluate=quality,
        identity={
            "teacher": prepared.fingerprint,
            "examples": prepared.training.fingerprint,
            "temperature": settings.temperature,
            "cached_tokens": settings.cached_tokens,
        },
    )
    return train(task, settings.training, workplace=workplace, report=report)


def measure(prepared: Prepared, student: Any) -> StudentQuality:
    """The student on development data, beside the labels and the teacher."""
    return student_quality(student, prepared.development_teacher, prepared.development_batches())


def _notes(prepared: Prepared) -> tuple[str, ...]:
    """What of the texts was learned, and what was not."""
    notes = []
    for name, examples in (("training", prepared.training), ("development", prepared.development)):
        skipped = [f"{count} texts skipped, {reason}" for reason, count in examples.skipped.items()]
        cut = [f"{examples.cut} answers cut at answer_tokens"] if examples.cut else []
        counts = f"{name}: {len(examples.items)} examples, {examples.tokens} tokens of answers"
        notes.append("; ".join([counts, *skipped, *cut]))
    return tuple(notes)


def _change(before: StudentQuality, after: StudentQuality) -> str:
    def shown(quality: StudentQuality) -> str:
        kl, agreement = quality.kl or 0.0, quality.top1_agreement or 0.0
        return f"KL {kl:.4f}, top-1 agreement {agreement:.3f}, cross entropy {quality.loss:.4f}"

    return f"development: {shown(before)} before, {shown(after)} after"
