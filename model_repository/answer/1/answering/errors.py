"""Errors of the answering package.

    AnsweringError             everything below
    ├── CancelledError         nobody waits for the answer any more
    ├── GeneratorFailedError   the generator said why there is no more
    ├── IncompleteStreamError  the generator's stream ended too early
    └── InvalidTimeoutError    `timeout` is no whole number of microseconds

`status` is what a server answers with: Triton's name of it, or its code where only that is known.
"""

__all__ = [
    "AnsweringError",
    "CancelledError",
    "GeneratorFailedError",
    "IncompleteStreamError",
    "InvalidTimeoutError",
]


class AnsweringError(Exception):
    """The root of what answering raises on purpose."""

    status: str | int = "INTERNAL"


class CancelledError(AnsweringError):
    """Nobody waits for the answer any more."""

    status = "CANCELLED"


class GeneratorFailedError(AnsweringError):
    """The generator said why there is no more.

    Args:
        reason: as it said it.
        status: as it said it.
    """

    def __init__(self, reason: str, status: str | int) -> None:
        super().__init__(reason)
        self.status = status


class IncompleteStreamError(AnsweringError):
    """The generator's stream ended without a finish reason: the answer would be cut off unnoticed."""


class InvalidTimeoutError(AnsweringError):
    """`timeout` is no whole number of microseconds."""

    status = "INVALID_ARG"
