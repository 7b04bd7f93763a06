"""How long a request may take: what its sender says, and the moment that follows from it.

Triton's own `timeout`, in microseconds, comes as a field of a request by gRPC or `/infer`, and as one of the
parameters of a request to `/generate` and `/generate_stream`.
"""

import json
from dataclasses import dataclass
from typing import Self

from generation.errors import DeadlineError, OptionError

_PARAMETER = "timeout"
_US_A_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a request has to have ended.

    Attributes:
        timeout_s: how long it may take, in seconds.
        ends_s: the moment after that, on the engine's clock.
    """

    timeout_s: float
    ends_s: float

    @classmethod
    def after(cls, timeout_s: float, now_s: float) -> Self:
        """The deadline of a request that arrives now."""
        return cls(timeout_s, now_s + timeout_s)


def read_timeout_s(timeout_us: int, parameters: str) -> float | None:
    """The time that a request may take, in seconds.

    Args:
        timeout_us: the request's timeout in microseconds; 0: it says none.
        parameters: its parameters, a JSON object; `timeout` counts when `timeout_us` is 0.

    Returns:
        The time, or None when the request says none.

    Raises:
        OptionError: `timeout` is no whole number of microseconds.
    """
    given = timeout_us or json.loads(parameters or "{}").get(_PARAMETER, 0)
    if type(given) is not int or given < 0:
        raise OptionError(
            f"{_PARAMETER} is {given!r}; allowed: a whole number of microseconds above 0, or 0 for none"
        )
    return given / _US_A_SECOND if given else None


def late_error(deadline: Deadline, answer_tokens: int) -> DeadlineError:
    """What a request is told whose time is over after so many tokens of its answer."""
    return DeadlineError(
        f"the request was not answered within its timeout of {deadline.timeout_s:g} s, "
        f"after {answer_tokens} tokens of the answer; allow more time, or fewer MAX_TOKENS"
    )
