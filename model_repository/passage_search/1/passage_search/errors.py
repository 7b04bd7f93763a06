"""Errors of passage search.

PassageSearchError             everything below
├── OptionError                a row's option or input: names field, value and what is allowed
├── IndexFilesError            a file of the index is missing, or does not hold what it should
└── FingerprintMismatchError   the index was built for another encoder than the one that serves
"""

__all__ = ["FingerprintMismatchError", "IndexFilesError", "OptionError", "PassageSearchError"]


class PassageSearchError(Exception):
    """The root of what passage search raises on purpose."""


class OptionError(PassageSearchError):
    """An option or input of one query is not allowed."""


class IndexFilesError(PassageSearchError):
    """A file of the index is missing, or does not hold what it should."""


class FingerprintMismatchError(PassageSearchError):
    """The index was built for another encoder than the one that serves."""
