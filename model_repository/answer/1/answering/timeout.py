"""The timeout that a request was given, to be handed on to the generator; its other parameters are not.

Triton's own `timeout`, in microseconds, comes as a field of a request by gRPC or `/infer`, and as one of the
parameters of a request to `/generate`.
"""

import json

from answering.errors import InvalidTimeoutError

_PARAMETER = "timeout"


def read_timeout_us(timeout_us: int, parameters: str) -> int:
    """The time that a request may take, in microseconds.

    Args:
        timeout_us: the request's field; 0: it says none.
        parameters: its parameters, a JSON object; `timeout` counts when `timeout_us` is 0.

    Returns:
        The time, or 0 when the request says none.

    Raises:
        InvalidTimeoutError: `timeout` is no whole number of microseconds.
    """
    given = timeout_us or json.loads(parameters or "{}").get(_PARAMETER, 0)
    if type(given) is not int or given < 0:
        raise InvalidTimeoutError(
            f"{_PARAMETER} is {given!r}; allowed: a whole number of microseconds above 0, or 0 for none"
        )
    return given
