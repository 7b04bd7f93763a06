"""Sends answers to their sinks, so that a sink that raises loses its own answer and no other.

Each function that sends says whether the request goes on.
"""

import logging

import numpy as np
import numpy.typing as npt

from generation.errors import GenerationError, StepError
from generation.sequence import Delta, Sequence

logger = logging.getLogger(__name__)


def announce(sequence: Sequence) -> bool:
    """Tell the sink that the request was taken.

    Returns:
        Whether the request goes on.
    """
    return _send(sequence, sequence.taken())


def advance(sequence: Sequence, most_probable: int, logits: npt.NDArray[np.float32] | None) -> bool:
    """Add the next token to an answer and send what is new.

    Args:
        sequence: the request.
        most_probable: the token of the highest score.
        logits: the scores, shape (vocabulary,), if they were asked for.

    Returns:
        Whether the request goes on.
    """
    try:
        delta = sequence.accept(most_probable, logits)
    except Exception as error:
        logger.warning("a token could not be added to its answer", exc_info=True)
        reason = (
            error if isinstance(error, GenerationError) else StepError(f"{type(error).__name__}: {error}")
        )
        fail(sequence, reason)
        return False
    return delta is None or _send(sequence, delta)


def fail(sequence: Sequence, error: GenerationError) -> None:
    """Tell the sink why there will be no more."""
    try:
        sequence.sink.fail(error)
    except Exception:
        logger.warning("an error could not be delivered: %s", error, exc_info=True)


def is_cancelled(sequence: Sequence) -> bool:
    """Whether nobody waits for the answer any more; a sink that cannot say so is taken to be gone."""
    try:
        return sequence.sink.is_cancelled()
    except Exception:
        logger.warning("a sink could not say whether it is cancelled", exc_info=True)
        return True


def _send(sequence: Sequence, delta: Delta) -> bool:
    try:
        sequence.sink.send(delta)
    except Exception as error:
        logger.warning("a piece of an answer could not be delivered", exc_info=True)
        fail(sequence, StepError(f"the answer could not be delivered ({error}); ask again"))
        return False
    return not delta.finish_reason
