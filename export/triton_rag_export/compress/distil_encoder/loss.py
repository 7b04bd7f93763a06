"""The parts of the loss by which a student learns a teacher's vectors.

The teacher's vectors are given: nothing of the teacher is computed while training. Mined negatives are known
by the teacher's vectors alone, so that many of them cost one product a text; the texts of a batch are
compared by what the student makes of them. Sources: similarity of pairs (Tung and Mori, 2019, "Similarity-
preserving knowledge distillation"), KL of softened scores (Hinton et al., 2015), InfoNCE (van den Oord et
al., 2018).
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn.functional import cosine_similarity, cross_entropy, kl_div, log_softmax, normalize, softmax

from triton_rag_export.compress.distil_encoder.settings import EncoderDistillation

Batch = Mapping[str, torch.Tensor]
Part = Callable[[torch.Tensor, Batch, EncoderDistillation], torch.Tensor]


def distillation_loss(
    settings: EncoderDistillation,
) -> Callable[[Any, Batch], dict[str, torch.Tensor]]:
    """The loss of a batch, by parts; those of weight 0 are left out.

    The batch has `input_ids` and `attention_mask` (texts, tokens); `teacher` (texts, width); `negatives`
    (texts, mined, width), the teacher's vectors of each text's mined negatives, and `is_mined` (texts);
    `query` and `passage` (pairs), the places of labelled pairs; and `is_right` (pairs, pairs), which of the
    pairs' passages answer which query.
    """
    parts = {name: part for name, part in _PARTS.items() if settings.weights[name]}

    def loss(module: Any, batch: Batch) -> dict[str, torch.Tensor]:
        vectors = module(batch["input_ids"], batch["attention_mask"])  # (texts, width)
        with torch.autocast(vectors.device.type, enabled=False):
            return {name: part(vectors, batch, settings) for name, part in parts.items()}

    return loss


def cosine_part(vectors: torch.Tensor, batch: Batch, _: EncoderDistillation) -> torch.Tensor:
    """One minus the cosine to the teacher's vector."""
    return (1 - cosine_similarity(vectors, batch["teacher"], dim=-1)).mean()


def mse_part(vectors: torch.Tensor, batch: Batch, _: EncoderDistillation) -> torch.Tensor:
    """The squared distance to the teacher's vector."""
    return (vectors - batch["teacher"]).square().sum(-1).mean()


def similarity_part(vectors: torch.Tensor, batch: Batch, _: EncoderDistillation) -> torch.Tensor:
    """The mean squared error of the cosines between different texts."""
    own, right = normalize(vectors, dim=-1), normalize(batch["teacher"], dim=-1)
    error = (own @ own.T - right @ right.T).square().fill_diagonal_(0)
    return error.sum() / max(1, len(vectors) * (len(vectors) - 1))


def ranking_part(vectors: torch.Tensor, batch: Batch, settings: EncoderDistillation) -> torch.Tensor:
    """KL(teacher || student) of the softmax over the batch's other texts and the text's mined negatives."""
    teacher = batch["teacher"]
    if len(teacher) + batch["negatives"].shape[1] < 3:
        return vectors.sum() * 0  # one choice is no ranking
    no_texts = _nowhere(torch.eye(len(vectors), dtype=torch.bool, device=vectors.device))
    no_negatives = _nowhere(~batch["is_mined"])[:, None]
    own, right = (
        torch.cat([texts @ texts.T + no_texts, _to_negatives(texts, batch) + no_negatives], dim=1)
        / settings.temperature
        for texts in (vectors, teacher)
    )
    return kl_div(log_softmax(own, -1), softmax(right, -1), reduction="batchmean")


def labels_part(vectors: torch.Tensor, batch: Batch, settings: EncoderDistillation) -> torch.Tensor:
    """Cross-entropy of the labelled passage, twice: among passages as the student and the teacher see them.

    By the student's vectors, queries are told from queries and passages from passages; by the teacher's, a
    query has the mined negatives as well. Other passages that answer a query are no negatives of it.
    """
    query, passage = batch["query"], batch["passage"]
    if not len(query):
        return vectors.sum() * 0
    target = torch.arange(len(query), device=vectors.device)
    also_right = batch["is_right"] & ~torch.eye(len(query), dtype=torch.bool, device=vectors.device)
    asked, by_teacher = vectors[query], batch["teacher"][passage]
    scores = (asked @ vectors[passage].T + _nowhere(also_right)) / settings.label_temperature
    mined = (_to_negatives(vectors, batch) + _nowhere(~batch["is_mined"])[:, None])[query]
    to_teacher = torch.cat([asked @ by_teacher.T + _nowhere(also_right), mined], dim=1)
    among_students = (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2
    return (among_students + cross_entropy(to_teacher / settings.label_temperature, target)) / 2


def _to_negatives(texts: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Inner products of texts and their mined negatives, (texts, mined)."""
    return torch.einsum("tw,tmw->tm", texts, batch["negatives"])


def _nowhere(mask: torch.Tensor) -> torch.Tensor:
    """What to add to scores so that those of the mask count nothing; finite, as all may be of it."""
    return mask.float() * -1e4


_PARTS: dict[str, Part] = {
    "cosine": cosine_part,
    "mse": mse_part,
    "similarity": similarity_part,
    "ranking": ranking_part,
    "labels": labels_part,
}
