"""Text generation: an engine that batches continuously, over adapters that run a model.

The way of a request: `options` validates it, `engine` takes it, `scheduler` gives it a slot and its rows of
each step, an `adapter` runs the model, and `sequence` turns tokens into text (`sampling`, `detokenizer`,
`stop_strings`) that `delivery` sends to its sink.
"""

from generation.adapter import ModelAdapter, SlotRows, StepResult
from generation.cancellation import Cancellation, CancellationKeys
from generation.collector import AnswerCollector, CollectedAnswer
from generation.deadline import read_timeout_s
from generation.engine import Engine
from generation.errors import (
    CancelledError,
    DeadlineError,
    EngineClosedError,
    GenerationError,
    InvalidRequestError,
    OptionError,
    PromptError,
    QueueFullError,
    SettingsError,
    StepError,
    UnavailableError,
)
from generation.options import OPTION_NAMES, GenerationOptions
from generation.sequence import Delta, FinishReason, Sink
from generation.settings import ServingSettings

__all__ = [
    "OPTION_NAMES",
    "AnswerCollector",
    "Cancellation",
    "CancellationKeys",
    "CancelledError",
    "CollectedAnswer",
    "DeadlineError",
    "Delta",
    "Engine",
    "EngineClosedError",
    "FinishReason",
    "GenerationError",
    "GenerationOptions",
    "InvalidRequestError",
    "ModelAdapter",
    "OptionError",
    "PromptError",
    "QueueFullError",
    "ServingSettings",
    "SettingsError",
    "Sink",
    "SlotRows",
    "StepError",
    "StepResult",
    "UnavailableError",
    "read_timeout_s",
]
