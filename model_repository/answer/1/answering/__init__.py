"""What `answer` does for a request: hands its timeout on, and makes one whole answer of many deltas."""

from answering.errors import AnsweringError, IncompleteStreamError, InvalidTimeoutError
from answering.gathering import Delta, GatheredAnswer, gather
from answering.read_streams import ReadStreams
from answering.timeout import read_timeout_us

__all__ = [
    "AnsweringError",
    "Delta",
    "GatheredAnswer",
    "IncompleteStreamError",
    "InvalidTimeoutError",
    "ReadStreams",
    "gather",
    "read_timeout_us",
]
