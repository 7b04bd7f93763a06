"""Errors of the generation package.

    GenerationError            everything below; its message ends in what to do
    ├── SettingsError          settings that do not fit the model, or each other
    ├── InvalidRequestError    the request is wrong: sending it again does not help
    │   ├── OptionError        an option's value: names tensor, value and allowed range
    │   └── PromptError        the prompt: empty, unknown tokens, or too long for the context
    ├── UnavailableError       the request is fine: send it again later, or elsewhere
    │   ├── QueueFullError     too many requests wait already
    │   └── EngineClosedError  the engine is shutting down
    ├── CancelledError         whoever asked went away
    ├── DeadlineError          the time that the request was given is over
    └── StepError              the model, or the handling of its result, failed

`status` is the name of the status that a server answers with, as Triton and gRPC call it.
"""

from typing import ClassVar, Self

__all__ = [
    "CancelledError",
    "DeadlineError",
    "EngineClosedError",
    "GenerationError",
    "InvalidRequestError",
    "OptionError",
    "PromptError",
    "QueueFullError",
    "SettingsError",
    "StepError",
    "UnavailableError",
]


class GenerationError(Exception):
    """The root of what generation raises on purpose."""

    status: ClassVar[str] = "INTERNAL"


class SettingsError(GenerationError):
    """The served settings do not fit the model, or each other."""


class InvalidRequestError(GenerationError):
    """The request can never succeed as it is."""

    status = "INVALID_ARG"


class OptionError(InvalidRequestError):
    """An option's value is not allowed."""


class PromptError(InvalidRequestError):
    """The prompt cannot be continued."""


class UnavailableError(GenerationError):
    """The request is not taken now."""

    status = "UNAVAILABLE"


class QueueFullError(UnavailableError):
    """As many requests wait as may wait."""


class EngineClosedError(UnavailableError):
    """The engine takes no more requests."""


class CancelledError(GenerationError):
    """The answer is not wanted any more."""

    status = "CANCELLED"


class DeadlineError(GenerationError):
    """The answer took longer than the request allows."""

    status = "CANCELLED"  # Triton has no status of its own for this


class StepError(GenerationError):
    """A step of the model failed, or its result could not be used."""

    @classmethod
    def of(cls, error: Exception) -> Self:
        """What the requests of a step are told when something raised in it."""
        return cls(f"generation failed in this step ({type(error).__name__}: {error}); ask again")
