"""The loss of a student: `alpha * L_hard + (1 - alpha) * L_soft`.

`L_hard` is the cross entropy with the labels. `L_soft` is the Kullback-Leibler divergence of the student from
the teacher, both softened by a temperature T, times T² so that its gradients keep their size whatever T is
(Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015). Both are means over the
answers' tokens; the prompt and the padding have no row here.

Losses are kept as sums and a count until the very end: micro-batches and processes hold different numbers of
tokens, and a mean of their means would weigh the tokens of short batches more.
"""

from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from triton_rag_export.compress.distil_generator.soft_labels import SoftLabels


@dataclass(frozen=True, slots=True)
class LossSums:
    """The parts of a loss, summed over tokens.

    Attributes:
        hard: cross entropy with the labels, in nats, a scalar tensor.
        soft: T² · KL(teacher || student) of softened distributions, in nats, a scalar tensor; 0 without a
            teacher.
        tokens: how many tokens were summed.
        alpha: the share of the hard part.
    """

    hard: torch.Tensor
    soft: torch.Tensor
    tokens: int
    alpha: float

    @property
    def total(self) -> torch.Tensor:
        """`alpha * hard + (1 - alpha) * soft`, still a sum: divide by the tokens of the whole step."""
        return self.alpha * self.hard + (1 - self.alpha) * self.soft


def loss_sums(
    logits: torch.Tensor,
    token_ids: torch.Tensor,
    soft_labels: SoftLabels | None,
    *,
    alpha: float,
    temperature: float,
) -> LossSums:
    """The loss of the rows that have a label.

    Args:
        logits: the student's, (rows, vocabulary).
        token_ids: the labels, (rows,).
        soft_labels: the teacher's word on the same rows; may be None where alpha is 1.
        alpha: 0 to 1, the share of the hard part.
        temperature: softens both distributions, at least 1.
    """
    logits = logits.float()
    hard = cross_entropy(logits, token_ids, reduction="sum")
    soft = hard.new_zeros(()) if soft_labels is None else soft_loss(logits, soft_labels, temperature).sum()
    return LossSums(hard, soft, len(token_ids), alpha)


def soft_loss(logits: torch.Tensor, soft_labels: SoftLabels, temperature: float) -> torch.Tensor:
    """T² · KL(teacher || student) of each row, in nats, (rows,).

    Where the soft labels are of the k most probable tokens, all other tokens count as one outcome, of the
    mass that the teacher leaves to them and of the mass that the student gives them. By the log-sum
    inequality this is never more than the divergence over the whole vocabulary, and equal to it where student
    and teacher share that mass out alike: close for a teacher that is sure, less so for a flat or much
    softened one.

    Args:
        logits: the student's, (rows, vocabulary), in float32.
        soft_labels: the teacher's word on the same rows.
        temperature: softens both distributions, at least 1.
    """
    teacher = soft_labels.softened(temperature)
    student = torch.log_softmax(logits / temperature, dim=-1)
    if soft_labels.token_ids is not None:
        named = student.gather(1, soft_labels.token_ids)
        others = student.scatter(1, soft_labels.token_ids, -torch.inf).logsumexp(1, keepdim=True)
        student = torch.cat([named, others], dim=1)
    return temperature**2 * (teacher.exp() * (teacher - student)).sum(1)
