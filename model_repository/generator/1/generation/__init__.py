"""Text generation: an engine that batches continuously, over adapters that run a model.

The way of a request: `options` and `intake` validate it, `engine` takes it (`arrivals`), `scheduler` gives it
a slot, `prefix` what is known of its prompt already, `draft_length` and `drafting` guesses of what it says
next, an `adapter` runs the model over the rows of a step, and `sequence` chooses the next tokens (`choosing`,
`scores`, `sampling`) and turns them into text (`detokenizer`, `stop_strings`) that `delivery` sends to its
sink, which may post it in an `outbox` and make tensors of it (`response_outputs`). With several beams,
`beam_sequence` takes the place of `sequence`: it has a slot for each (`beam_slots`) and chooses the next ones
(`beam_search`).
"""

from generation.adapter import ModelAdapter, SlotRows, StepResult
from generation.cancellation import Cancellation, CancellationKeys
from generation.collector import AnswerCollector, CollectedAnswer
from generation.deadline import read_timeout_s
from generation.delta import Delta, FinishReason, Sink, TokenLogprob
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
from generation.outbox import Outbox
from generation.response_outputs import response_outputs
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
    "Outbox",
    "PromptError",
    "QueueFullError",
    "ServingSettings",
    "SettingsError",
    "Sink",
    "SlotRows",
    "StepError",
    "StepResult",
    "TokenLogprob",
    "UnavailableError",
    "read_timeout_s",
    "response_outputs",
]
