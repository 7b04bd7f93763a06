"""What `answer` does for a request: hands its timeout on, and makes one whole answer of many deltas."""

from answering.errors import (
    AnsweringError,
    CancelledError,
    GeneratorFailedError,
    IncompleteStreamError,
    InvalidTimeoutError,
)
from answering.gathering import Delta, GatheredAnswer, gather
from answering.responses import read_outputs
from answering.stream_gate import StreamGate
from answering.timeout import read_timeout_us

__all__ = [
    "AnsweringError",
    "CancelledError",
    "Delta",
    "GatheredAnswer",
    "GeneratorFailedError",
    "IncompleteStreamError",
    "InvalidTimeoutError",
    "StreamGate",
    "gather",
    "read_outputs",
    "read_timeout_us",
]
