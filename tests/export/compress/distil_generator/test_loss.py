"""The loss is what its formula says, token by token, and hears nothing of prompts and padding."""

import math
from itertools import pairwise

import pytest
import torch
from export.graph.tiny_causal_models import VOCABULARY, random_tokens, tiny_llama
from export.graph.tiny_encoder_decoder_models import tiny_bart, tiny_t5
from triton_rag_export.compress.distil_generator.batches import Collator, label_ids, label_logits
from triton_rag_export.compress.distil_generator.examples import Example
from triton_rag_export.compress.distil_generator.loss import loss_parts, loss_weights, soft_loss
from triton_rag_export.compress.distil_generator.soft_labels import SoftLabels

STUDENT = [[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]]
TEACHER = [[2.0, 1.0, 0.0], [0.5, 0.5, 1.5]]
LABELS = [1, 2]


def softmax(logits: list[float], temperature: float) -> list[float]:
    exponentials = [math.exp(logit / temperature) for logit in logits]
    return [value / sum(exponentials) for value in exponentials]


def by_hand(alpha: float, temperature: float) -> float:
    total = 0.0
    for student, teacher, label in zip(STUDENT, TEACHER, LABELS, strict=True):
        hard = -math.log(softmax(student, 1.0)[label])
        pairs = zip(softmax(teacher, temperature), softmax(student, temperature), strict=True)
        soft = temperature**2 * sum(p * math.log(p / q) for p, q in pairs)
        total += alpha * hard + (1 - alpha) * soft
    return total


@pytest.mark.parametrize("temperature", [1.0, 2.0, 7.5])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_loss_is_the_formula(alpha: float, temperature: float) -> None:
    teacher = SoftLabels.whole(torch.tensor(TEACHER))
    parts = loss_parts(torch.tensor(STUDENT), torch.tensor(LABELS), teacher, temperature)
    loss = sum(weight * float(parts[name]) for name, weight in loss_weights(alpha).items())
    assert loss == pytest.approx(by_hand(alpha, temperature) / len(LABELS), rel=1e-4)


def test_the_gradient_keeps_its_size_at_high_temperatures() -> None:
    """For large T it nears (student - teacher) / vocabulary, of centred logits (Hinton et al., 2015)."""
    student, teacher = torch.tensor([STUDENT[0]], requires_grad=True), torch.tensor([TEACHER[0]])
    soft_loss(student, SoftLabels.whole(teacher), 1000.0).sum().backward()
    expected = (student.detach() - student.detach().mean() - teacher + teacher.mean()) / 3
    torch.testing.assert_close(student.grad, expected, rtol=1e-2, atol=1e-3)


def test_of_some_tokens_the_others_count_as_one_outcome() -> None:
    teacher = SoftLabels.most_probable(torch.tensor(TEACHER), k=1)
    loss = soft_loss(torch.tensor(STUDENT), teacher, 2.0)
    for row, (student, right) in enumerate(zip(STUDENT, TEACHER, strict=True)):
        p, q = softmax(right, 2.0), softmax(student, 2.0)
        first = p.index(max(p))
        expected = p[first] * math.log(p[first] / q[first])
        expected += (1 - p[first]) * math.log((1 - p[first]) / (1 - q[first]))
        assert float(loss[row]) == pytest.approx(4 * expected, rel=1e-4)


def test_an_agreeing_student_loses_nothing_however_many_tokens_are_kept() -> None:
    logits = torch.randn(5, 40, generator=torch.Generator().manual_seed(1)) * 3
    for k in (1, 7, 39, 40, 1000):
        for temperature in (1.0, 4.0):
            loss = soft_loss(logits, SoftLabels.most_probable(logits, k), temperature)
            torch.testing.assert_close(loss, torch.zeros(5), atol=1e-5, rtol=0)


def test_fewer_tokens_never_show_more_divergence() -> None:
    torch.manual_seed(2)
    student, teacher = torch.randn(20, 50) * 2, torch.randn(20, 50) * 2
    losses = [soft_loss(student, SoftLabels.most_probable(teacher, k), 2.0) for k in (1, 5, 20, 50)]
    for fewer, more in pairwise(losses):
        assert (fewer <= more + 1e-5).all()


@pytest.mark.parametrize("make", [tiny_llama, tiny_t5, tiny_bart])
def test_company_and_padding_change_no_examples_loss(make) -> None:
    model = make()
    is_encoder_decoder = model.config.is_encoder_decoder
    examples = [
        Example(tuple(random_tokens(prompt, seed=prompt)), tuple(random_tokens(answer, seed=answer)))
        for prompt, answer in ((3, 9), (17, 2), (8, 8))
    ]
    logits_of = label_logits(model)
    teacher = torch.randn(len(examples), 20, VOCABULARY).log_softmax(-1)

    def sums(collate: Collator, numbered: list[tuple[int, Example]]) -> list[float]:
        batch = collate(numbered)
        soft_labels = SoftLabels(torch.cat([teacher[n, : len(e.answer)] for n, e in numbered]))
        with torch.inference_mode():
            parts = loss_parts(logits_of(model, batch), label_ids(batch), soft_labels, 2.0)
        return [float(part) * len(label_ids(batch)) for part in parts.values()]

    numbered = list(enumerate(examples))
    for padding, multiple in ((0, 1), (5, 8)):
        collate = Collator(is_encoder_decoder=is_encoder_decoder, pad_token_id=padding, multiple=multiple)
        alone = [sums(collate, [pair]) for pair in numbered]
        assert sums(collate, numbered) == pytest.approx(
            [sum(part) for part in zip(*alone, strict=True)], rel=1e-4
        )
