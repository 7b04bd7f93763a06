"""Each part of the loss against its definition, written out."""

import math

import numpy as np
import pytest
import torch
from triton_rag_export.compress.distil_encoder import EncoderDistillation
from triton_rag_export.compress.distil_encoder.loss import distillation_loss

TEXTS, MINED, WIDTH = 5, 2, 4
ALL = EncoderDistillation(mse=1, ranking=1, labels=1, temperature=0.5, label_temperature=0.2, negatives=MINED)


def unit(*shape: int, seed: int) -> torch.Tensor:
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=-1)


def batch(pairs: tuple[tuple[int, int], ...] = ((0, 1), (2, 3))) -> dict[str, torch.Tensor]:
    """Texts 0 and 2 are queries; the last stands alone."""
    return {
        "input_ids": torch.zeros(TEXTS, 3, dtype=torch.long),
        "attention_mask": torch.ones(TEXTS, 3, dtype=torch.long),
        "teacher": unit(TEXTS, WIDTH, seed=1),
        "negatives": unit(TEXTS, MINED, WIDTH, seed=2),
        "is_mined": torch.tensor([True, False, True, False, False]),
        "query": torch.tensor([query for query, _ in pairs], dtype=torch.long),
        "passage": torch.tensor([passage for _, passage in pairs], dtype=torch.long),
        "is_right": torch.eye(len(pairs), dtype=torch.bool),
    }


def parts(vectors: torch.Tensor, given: dict[str, torch.Tensor]) -> dict[str, float]:
    found = distillation_loss(ALL)(lambda *_: vectors, given)
    return {name: float(value) for name, value in found.items()}


def softmax(scores: list[float]) -> np.ndarray:
    exponentials = np.exp(np.array(scores) - max(scores))
    return exponentials / exponentials.sum()


def test_parts_are_what_they_are_defined_to_be() -> None:
    student, given = unit(TEXTS, WIDTH, seed=3), batch()
    s, t, negatives = (tensor.double().numpy() for tensor in (student, given["teacher"], given["negatives"]))
    found = parts(student, given)

    assert found["cosine"] == pytest.approx(np.mean([1 - s[i] @ t[i] for i in range(TEXTS)]), rel=1e-5)
    assert found["mse"] == pytest.approx(2 * found["cosine"], rel=1e-5)
    errors = [(s[i] @ s[j] - t[i] @ t[j]) ** 2 for i in range(TEXTS) for j in range(TEXTS) if i != j]
    assert found["similarity"] == pytest.approx(np.mean(errors), rel=1e-5)

    divergences = []
    for i in range(TEXTS):
        own, right = (
            [v[i] @ v[j] for j in range(TEXTS) if j != i]
            + [v[i] @ n for n in negatives[i] if given["is_mined"][i]]
            for v in (s, t)
        )
        p, q = softmax([x / 0.5 for x in right]), softmax([x / 0.5 for x in own])
        divergences.append(float((p * np.log(p / q)).sum()))
    assert found["ranking"] == pytest.approx(np.mean(divergences), rel=1e-4)

    losses = []
    for scores, right_one in (
        ([s[0] @ s[1], s[0] @ s[3]], 0), ([s[2] @ s[1], s[2] @ s[3]], 1),  # queries choose passages
        ([s[0] @ s[1], s[2] @ s[1]], 0), ([s[0] @ s[3], s[2] @ s[3]], 1),  # passages choose queries
    ):  # fmt: skip
        losses.append(-math.log(softmax([x / 0.2 for x in scores])[right_one]))
    mined = [
        -math.log(softmax([x / 0.2 for x in [s[q] @ t[1], s[q] @ t[3], *(negatives[q] @ s[q])]])[right_one])
        for q, right_one in ((0, 0), (2, 1))
    ]
    assert found["labels"] == pytest.approx((np.mean(losses) + np.mean(mined)) / 2, rel=1e-4)


def test_a_student_that_is_its_teacher_has_nothing_to_learn_but_labels() -> None:
    given = batch()

    found = parts(given["teacher"], given)

    assert found.pop("labels") > 0.1
    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=1e-6)


def test_another_right_passage_is_no_negative() -> None:
    student, given = unit(TEXTS, WIDTH, seed=3), batch()
    before = parts(student, given)["labels"]
    given["is_right"][0, 1] = True

    assert parts(student, given)["labels"] < before


def test_one_text_without_pairs_has_finite_parts_and_gradients() -> None:
    student = unit(1, WIDTH, seed=3).requires_grad_()
    given = {name: value[:1] for name, value in batch(()).items()}
    given["is_right"] = torch.zeros(0, 0, dtype=torch.bool)
    given["negatives"] = torch.zeros(1, 0, WIDTH)

    found = distillation_loss(ALL)(lambda *_: student, given)
    sum(found.values()).backward()

    assert all(value.isfinite() for value in found.values())
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_parts_without_weight_are_not_computed() -> None:
    settings = EncoderDistillation(cosine=0, similarity=3)

    found = distillation_loss(settings)(lambda *_: unit(TEXTS, WIDTH, seed=3), batch())

    assert list(found) == ["similarity"]
