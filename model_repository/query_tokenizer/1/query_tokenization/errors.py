"""Errors of query tokenization.

    QueryTokenizationError    everything below
    └── TokenizerFilesError   a file of the tokenizer is missing, or does not hold what it should

A query that is refused raises nothing: its neighbours in the batch go on, and its row carries the reason.
"""

__all__ = ["QueryTokenizationError", "TokenizerFilesError"]


class QueryTokenizationError(Exception):
    """The root of what query tokenization raises on purpose."""


class TokenizerFilesError(QueryTokenizationError):
    """A file of the tokenizer is missing, or does not hold what it should."""
