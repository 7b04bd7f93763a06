"""Errors of query tokenization.

    QueryTokenizationError    everything below
    ├── TokenizerFilesError   a file of the tokenizer is missing, or does not hold what it should
    └── UnknownParameterError a request has a parameter that nobody reads, such as a misspelt option

A query that is refused raises nothing: its neighbours in the batch go on, and its row carries the reason.
"""

__all__ = ["QueryTokenizationError", "TokenizerFilesError", "UnknownParameterError"]


class QueryTokenizationError(Exception):
    """The root of what query tokenization raises on purpose."""


class TokenizerFilesError(QueryTokenizationError):
    """A file of the tokenizer is missing, or does not hold what it should."""


class UnknownParameterError(QueryTokenizationError):
    """A request has a parameter that nobody reads."""
