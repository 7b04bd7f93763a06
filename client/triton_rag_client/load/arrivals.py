"""When the requests of an open loop are due: at even distances, or at random as independent users come."""

import math
import random
from typing import Literal

from triton_rag_client.errors import InvalidRequestError

__all__ = ["Arrivals", "arrival_times"]

Arrivals = Literal["constant", "poisson"]


def arrival_times(arrivals: Arrivals, rate_per_s: float, seconds: float, *, seed: int = 0) -> list[float]:
    """When requests are due, in seconds from the beginning; at least one.

    Args:
        arrivals: `constant`: one every 1 / rate seconds; `poisson`: a Poisson process, whose distances are
            exponential with that mean, so that the number of requests varies too.
        rate_per_s: Requests a second.
        seconds: No request is due at or after this time.
        seed: Of the random distances.

    Raises:
        InvalidRequestError: The rate or the time is not above 0.
    """
    for name, value in (("the rate (requests a second)", rate_per_s), ("the time (seconds)", seconds)):
        if not 0 < value < math.inf:
            raise InvalidRequestError(f"{name} is {value:g}: it must be a number above 0")
    if arrivals == "constant":
        # Ten seconds at 0.7 a second: 0.7 * 10 is a little less than 7, and the eighth is due after the end.
        return [number / rate_per_s for number in range(max(1, math.ceil(rate_per_s * seconds - 1e-9)))]
    draw = random.Random(seed).expovariate
    due_s = draw(rate_per_s)
    times_s = [due_s]
    while (due_s := due_s + draw(rate_per_s)) < seconds:
        times_s.append(due_s)
    return times_s
