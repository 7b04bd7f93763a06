"""The loss is what its formula says, token by token, and hears nothing of prompts and padding."""

import math
from itertools import pairwise

import pytest
import torch
from export.graph.tiny_causal_models import VOCABULARY, random_tokens, tiny_llama
from export.graph.tiny_encoder_decoder_models import tiny_bart, tiny_t5
from triton_rag_export.compress.distil_generator.batches import Collator, label_ids, label_logits
from triton_rag_export.compress.distil_generator.examples import Example
from triton_rag_export.compress.distil_generator.loss import loss_sums, soft_loss
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
    sums = loss_sums(
        torch.tensor(STUDENT), torch.tensor(LABELS), teacher, alpha=alpha, temperature=temperature
    )
    assert float(sums.total) == pytest.approx(by_hand(alpha, temperature), rel=1e-4)
    assert sums.tokens == 2


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
    teacher = SoftLabels.whole(torch.randn(sum(len(e.answer) for e in examples), VOCABULARY))

    def sums(collate: Collator, numbered: list[tuple[int, Example]]) -> tuple[float, float, int]:
        batch = collate(numbered)
        rows = [sum(len(e.answer) for e in examples[:number]) for number, _ in numbered]
        wanted = torch.cat(
            [
                teacher.log_probabilities[row : row + len(example.answer)]
                for row, (_, example) in zip(rows, numbered, strict=True)
            ]
        )
        with torch.inference_mode():
            logits = logits_of(model, batch)
        found = loss_sums(logits, label_ids(batch), SoftLabels(wanted), alpha=0.5, temperature=2.0)
        return float(found.hard), float(found.soft), found.tokens

    numbered = list(enumerate(examples))
    for padding in (0, 5):
        collate = Collator(is_encoder_decoder=is_encoder_decoder, pad_token_id=padding)
        together = sums(collate, numbered)
        alone = [sums(collate, [pair]) for pair in numbered]
        for part in range(2):
            assert together[part] == pytest.approx(sum(one[part] for one in alone), rel=1e-4)
        assert together[2] == sum(one[2] for one in alone) == 19
