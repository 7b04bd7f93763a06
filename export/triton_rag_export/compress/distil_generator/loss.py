"""The loss of a student: `alpha * L_hard + (1 - alpha) * L_soft`.

`L_hard` is the cross entropy with the labels. `L_soft` is the Kullback-Leibler divergence of the student from
the teacher, both softened by a temperature T, times T² so that its gradients keep their size whatever T is
(Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015). Both are means over the
answers' tokens; the prompt and the padding have no row here.

The training loop weighs the means of slices and processes by their tokens and adds the parts up by their
shares, `loss_weights`.
"""

import torch
from torch.nn.functional import cross_entropy

from triton_rag_export.compress.distil_generator.soft_labels import SoftLabels


def loss_weights(alpha: float) -> dict[str, float]:
    """What each part of the loss counts.

    Args:
        alpha: the share of the hard part, 0 to 1.
    """
    return {"hard": alpha, "soft": 1 - alpha}


def loss_parts(
    logits: torch.Tensor, token_ids: torch.Tensor, soft_labels: SoftLabels | None, temperature: float
) -> dict[str, torch.Tensor]:
    """The parts of the loss, each a mean over rows, in nats.

    Args:
        logits: the student's, (rows, vocabulary), at least one row.
        token_ids: the labels, (rows,).
        soft_labels: the teacher's word on the same rows; None: there is no soft part.
        temperature: softens both distributions, at least 1.
    """
    logits = logits.float()
    parts = {"hard": cross_entropy(logits, token_ids)}
    if soft_labels is not None:
        parts["soft"] = soft_loss(logits, soft_labels, temperature).mean()
    return parts


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
