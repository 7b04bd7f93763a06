"""What `answer` does with the generator's stream: one whole answer out of many deltas."""

from answering.gathering import Delta, GatheredAnswer, IncompleteStreamError, gather

__all__ = ["Delta", "GatheredAnswer", "IncompleteStreamError", "gather"]
