"""When to send a request again, and how long all attempts together may take.

A question changes nothing on the server, so it may be sent again; only UNAVAILABLE (gRPC) and 503 (HTTP)
say that this could help. Pauses double and are drawn at random below that limit ("full jitter", Marc
Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), so that many clients that were sent
away together do not come back together.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from triton_rag_client.errors import ClientSetupError, DeadlineExceededError, RagError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Deadline", "RetryPolicy"]

_CLOCKS_DIFFER_S: Final = 0.01
"""By how much a library's own timer may be early."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after which pause a request that found the server unavailable is sent again.

    Attributes:
        attempts: Most attempts in all; 1 never sends again.
        first_pause_s: Upper limit of the first pause in seconds; doubled for each one after it.
        longest_pause_s: Upper limit of any pause in seconds.
    """

    attempts: int = 4
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not 0 <= self.first_pause_s <= self.longest_pause_s < math.inf:
            raise ClientSetupError(
                f"{self} is not possible: give attempts >= 1 and 0 <= first_pause_s <= longest_pause_s"
            )

    def pause_s(self, attempt: int, draw: Callable[[], float] = random.random) -> float:
        """Seconds to wait after an attempt (the first is 1) failed; `draw` gives a number from 0 to 1."""
        return draw() * min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(attempt - 1, 60))


@dataclass(frozen=True, slots=True)
class Deadline:
    """One moment by which a request, with all its attempts, must be done.

    Attributes:
        timeout_s: What was given, in seconds.
        clock: A clock in seconds that never goes back.
    """

    timeout_s: float
    clock: Callable[[], float] = time.monotonic
    _ends: float = field(init=False)

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s < math.inf:
            raise ClientSetupError(f"timeout_s is {self.timeout_s}: it must be a number of seconds above 0")
        object.__setattr__(self, "_ends", self.clock() + self.timeout_s)

    def remaining_s(self, last: RagError | None = None) -> float:
        """Seconds left.

        Args:
            last: What the attempt before failed with; the message repeats it.

        Raises:
            DeadlineExceededError: None are left.
        """
        left = self._ends - self.clock()
        if left <= 0:
            raise self.exceeded(last)
        return left

    @property
    def is_over(self) -> bool:
        """Whether the time is up; a server or a proxy that gives up earlier has a reason of its own."""
        return self._ends - self.clock() <= _CLOCKS_DIFFER_S

    def exceeded(self, last: RagError | None = None) -> DeadlineExceededError:
        """The error that says so."""
        before = f" (the last attempt failed: {last})" if last else ""
        return DeadlineExceededError(
            f"no complete reply within {self.timeout_s:g} s{before}; "
            "give a longer timeout_s, ask for fewer max_tokens, or look at the server's load"
        )
