"""One line of a diagnosis."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "State"]


class State(StrEnum):
    """How a thing stands."""

    OK = "ok"
    NOTE = "note"  # something does without it
    MISSING = "missing"  # serving does not work without it


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing stands.

    Attributes:
        name: What was looked at.
        state: How it stands.
        detail: What was found; what is missing.
        advice: What to do; empty when there is nothing to do.
    """

    name: str
    state: State
    detail: str
    advice: str = ""
