"""Text generation: an engine that batches continuously, over adapters that run a model.

The way of a request: `options` validates it, `engine` takes it, `scheduler` gives it a slot and its rows of
each step, an `adapter` runs the model, and `sequence` turns tokens into text (`sampling`, `detokenizer`,
`stop_strings`) that `delivery` sends to its sink.
"""

from generation.adapter import ModelAdapter, SlotRows, StepResult
from generation.collector import AnswerCollector, CollectedAnswer
from generation.engine import Engine
from generation.errors import (
    CancelledError,
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
    "CancelledError",
    "CollectedAnswer",
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
]
