"""What a teacher says of the next token: log-probabilities of all tokens, or of the k most probable.

A temperature T softens a distribution to `p(x)^(1/T)`, divided by the sum over x. Of the k most probable
tokens that is easily found; of the others, the sum of their `p^(1/T)` has to be known too. It is kept at the
temperatures 1, 2, 4 and 8; as a function of 1/T its logarithm is smooth and convex, and at 1/T = 0 it is the
logarithm of how many they are, so that a polynomial through these five points gives all temperatures between.
One set of soft labels thus serves every temperature, exactly at those four.
"""

import math
from dataclasses import dataclass
from typing import Self

import torch

REST_TEMPERATURES = (1.0, 2.0, 4.0, 8.0)
"""Where the mass of the tokens that are not among the k is known."""

_LEAST_LOG = -200.0
"""A rest of no mass at all in float32 would be an infinite logarithm; this one is as good as none."""


@dataclass(frozen=True, slots=True)
class SoftLabels:
    """A teacher's distributions at some positions.

    Attributes:
        log_probabilities: natural logarithms, at temperature 1, (rows, k).
        token_ids: which tokens, the most probable first, (rows, k); None: all of the vocabulary, in order.
        rest: logarithm of the sum of `p^(1/T)` over all other tokens at each of `REST_TEMPERATURES`,
            (rows, 4); None where there are no others.
        others: how many other tokens there are.
    """

    log_probabilities: torch.Tensor
    token_ids: torch.Tensor | None = None
    rest: torch.Tensor | None = None
    others: int = 0

    @classmethod
    def whole(cls, logits: torch.Tensor) -> Self:
        """Of the whole vocabulary, from a teacher's logits (rows, vocabulary)."""
        return cls(torch.log_softmax(logits.float(), dim=-1))

    @classmethod
    def most_probable(cls, logits: torch.Tensor, k: int) -> Self:
        """Of the k most probable tokens, all if k is as large, from logits (rows, vocabulary)."""
        everything = torch.log_softmax(logits.float(), dim=-1)
        if k >= everything.shape[1]:
            return cls(everything)
        top, token_ids = everything.topk(k, dim=1)
        others = everything.scatter(1, token_ids, -torch.inf)
        sums = [(others / temperature).logsumexp(1) for temperature in REST_TEMPERATURES]
        rest = torch.stack(sums, dim=1).clamp(min=_LEAST_LOG)
        return cls(top, token_ids, rest, everything.shape[1] - k)

    @property
    def most_probable_ids(self) -> torch.Tensor:
        """The teacher's first choice at each position, (rows,)."""
        first = self.log_probabilities.argmax(dim=1)
        if self.token_ids is None:
            return first
        return self.token_ids.gather(1, first[:, None])[:, 0]

    def softened(self, temperature: float) -> torch.Tensor:
        """Logarithms of softened probabilities, (rows, k), or (rows, k + 1) with that of all others last.

        Args:
            temperature: at least 1.
        """
        scaled = self.log_probabilities / temperature
        if self.rest is not None:
            rest = _rest_at(self.rest, self.others, temperature)
            scaled = torch.cat([scaled, rest[:, None]], dim=1)
        return torch.log_softmax(scaled, dim=1)


def _rest_at(rest: torch.Tensor, others: int, temperature: float) -> torch.Tensor:
    """Logarithm of the sum of `p^(1/T)` over the others, (rows,): Lagrange's polynomial in 1/T."""
    nodes = [*(1 / known for known in REST_TEMPERATURES), 0.0]
    values = torch.cat([rest, torch.full_like(rest[:, :1], math.log(others))], dim=1)
    return values @ values.new_tensor(_weights(nodes, 1 / temperature))


def _weights(nodes: list[float], at: float) -> list[float]:
    """What the value at each node counts in the polynomial's value at another place."""
    weights = []
    for node in nodes:
        weight = 1.0
        for other in nodes:
            if other != node:
                weight *= (at - other) / (node - other)
        weights.append(weight)
    return weights
