"""How close a generator's next-token distributions are to those of the model it was made from.

Two figures over held-out texts, at every position: the mean Kullback-Leibler divergence of the served
distribution from the reference, in nats, and how often both have the same most probable token.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from generation.adapter import ModelAdapter, SlotRows

from triton_rag_export.errors import BuildError
from triton_rag_export.graph.linear import Floats

ROWS_A_STEP = 128
LARGEST_FP32_KL = 1e-5
"""FP32 and transformers differ by rounding alone, around 1e-9; more means that the graph is wrong."""

Logits = Callable[[Sequence[int]], Floats]
"""Gives, for a sequence of token ids, the logits at every position, (tokens, vocabulary)."""

_Text = TypeVar("_Text")


@dataclass(frozen=True, slots=True)
class GeneratorQuality:
    """Agreement with a reference.

    Attributes:
        kl: mean Kullback-Leibler divergence of the served distribution from the reference, in nats.
        top1_agreement: share of positions with the same most probable token.
        tokens: how many positions were compared.
    """

    kl: float
    top1_agreement: float
    tokens: int


def compare_generators(
    reference: Callable[[_Text], Floats], served: Callable[[_Text], Floats], sequences: Sequence[_Text]
) -> GeneratorQuality:
    """Compare two models at every position of some texts.

    Args:
        reference: the model to be close to: gives the logits at every position, (tokens, vocabulary).
        served: the model to judge.
        sequences: token ids of held-out texts, at least one token in all; with their sources where there are.
    """
    divergences: list[npt.NDArray[np.float64]] = []
    agreements: list[npt.NDArray[np.bool_]] = []
    for sequence in sequences:
        expected, given = reference(sequence), served(sequence)
        divergences.append(_divergence(expected, given))
        agreements.append(expected.argmax(axis=1) == given.argmax(axis=1))
    divergence, agreement = np.concatenate(divergences), np.concatenate(agreements)
    return GeneratorQuality(float(divergence.mean()), float(agreement.mean()), divergence.size)


def check_exact(model_name: str, quality: GeneratorQuality) -> None:
    """Refuse a generator in FP32 that says something else than what it was made from.

    Raises:
        BuildError: they differ by more than rounding.
    """
    if quality.kl > LARGEST_FP32_KL:
        raise BuildError(
            f"model {model_name!r}: the divergence of the graph from transformers is {quality.kl:.2g}; "
            f"allowed: {LARGEST_FP32_KL}; please report this model"
        )


def torch_logits(model: Any) -> Logits:
    """The logits of a transformers causal language model."""
    import torch

    def logits(token_ids: Sequence[int]) -> Floats:
        with torch.inference_mode():
            output = model(torch.tensor([list(token_ids)]), use_cache=False)
        return np.asarray(output.logits[0].float().numpy(), dtype=np.float32)

    return logits


def served_logits(adapter: ModelAdapter) -> Logits:
    """The logits of a served model, read in chunks through its first slot."""

    return lambda token_ids: read_logits(adapter, token_ids)


def read_logits(adapter: ModelAdapter, token_ids: Sequence[int]) -> Floats:
    """Read a text in chunks into a model's first slot: the logits at every position, (tokens, vocabulary)."""
    rows_a_step = min(ROWS_A_STEP, adapter.max_rows_a_step)
    chunks = []
    for past in range(0, len(token_ids), rows_a_step):
        chunk = tuple(token_ids[past : past + rows_a_step])
        result = adapter.step([SlotRows(0, chunk, past, len(chunk))], logits=True)
        if result.logits is None:
            raise ValueError("the adapter gave no logits when asked for them")
        chunks.append(result.logits)
    return np.concatenate(chunks)


def _divergence(expected: Floats, given: Floats) -> npt.NDArray[np.float64]:
    """KL(expected || given) at each position, (tokens,)."""
    log_expected, log_given = _log_softmax(expected), _log_softmax(given)
    return np.asarray((np.exp(log_expected) * (log_expected - log_given)).sum(axis=1), dtype=np.float64)


def _log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float64)
