"""How close a student is to its teacher on texts that it did not learn."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from triton_rag_export.compress.distil_generator.batches import Batch, label_ids, label_logits
from triton_rag_export.compress.distil_generator.loss import soft_loss
from triton_rag_export.compress.distil_generator.teacher import Teacher, on_device


@dataclass(frozen=True, slots=True)
class StudentQuality:
    """Means over the tokens of answers.

    Attributes:
        loss: cross entropy with the labels, in nats.
        kl: KL(teacher || student) at temperature 1, in nats; None without a teacher.
        top1_agreement: share of tokens where both have the same most probable token, 0 to 1; None likewise.
        tokens: how many there were.
    """

    loss: float
    kl: float | None
    top1_agreement: float | None
    tokens: int


def student_quality(student: Any, teacher: Teacher | None, batches: Iterable[Batch]) -> StudentQuality:
    """Compare a student with its teacher and with the labels.

    Args:
        student: a transformers model; it is left in the mode that it was in.
        teacher: gives the soft labels of the batches; may be None.
        batches: at least one, with at least one label.
    """
    loss = kl = 0.0
    tokens = agreed = 0
    logits_of, was_training = label_logits(student), student.training
    student.eval()
    try:
        with torch.inference_mode():
            for batch in batches:
                batch = on_device(batch, student.device)
                logits, labels = logits_of(student, batch).float(), label_ids(batch)
                loss += float(cross_entropy(logits, labels, reduction="sum"))
                tokens += len(labels)
                if teacher is not None:
                    soft_labels = teacher.soft_labels(batch)
                    kl += float(soft_loss(logits, soft_labels, 1.0).sum())
                    agreed += int((logits.argmax(1) == soft_labels.most_probable_ids).sum())
    finally:
        student.train(was_training)
    if teacher is None:
        return StudentQuality(loss / tokens, None, None, tokens)
    return StudentQuality(loss / tokens, kl / tokens, agreed / tokens, tokens)
