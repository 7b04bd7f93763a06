"""Errors of the answering package.

    AnsweringError             everything below
    ├── IncompleteStreamError  the generator's stream ended too early
    └── InvalidTimeoutError    `timeout` is no whole number of microseconds

`status` is the name of the status that a server answers with, as Triton calls it.
"""

from typing import ClassVar

__all__ = ["AnsweringError", "IncompleteStreamError", "InvalidTimeoutError"]


class AnsweringError(Exception):
    """The root of what answering raises on purpose."""

    status: ClassVar[str] = "INTERNAL"


class IncompleteStreamError(AnsweringError):
    """The generator's stream ended without a finish reason: the answer would be cut off unnoticed."""


class InvalidTimeoutError(AnsweringError):
    """`timeout` is no whole number of microseconds."""

    status = "INVALID_ARG"
