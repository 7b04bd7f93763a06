"""Sends answers to their sinks, so that a sink that raises loses its own answer and no other.

Each function that sends says whether the request goes on.
"""

import logging

from generation.adapter import StepResult
from generation.choosing import OutputRow
from generation.delta import Delta
from generation.errors import GenerationError, StepError
from generation.sequence import Sequence

logger = logging.getLogger(__name__)

SILENT_STEPS = 4
"""So many steps may pass without a word to the sink."""


def announce(sequence: Sequence) -> bool:
    """Tell the sink that the request was taken, or has got its slot.

    Returns:
        Whether the request goes on.
    """
    return _send(sequence, sequence.taken())


def advance(sequence: Sequence, drafts: tuple[int, ...], result: StepResult) -> bool:
    """Add the tokens that a step gave to an answer and send what is new, as one piece.

    Args:
        sequence: the request.
        drafts: the guesses that its last rows verified.
        result: of its rows: the next token, and behind each guess the one that follows if it is right.

    Returns:
        Whether the request goes on.
    """
    news: Delta | None = None
    try:
        for place, token_id in enumerate(result.token_ids.tolist()):
            logits = None if result.logits is None else result.logits[place]
            delta = sequence.accept(OutputRow(token_id, float(result.best_scores[place]), logits))
            news = _joined(news, delta)
            is_right = place < len(drafts) and sequence.token_ids[-1] == drafts[place]
            if (delta is not None and delta.finish_reason) or not is_right:
                break
    except Exception as error:
        logger.warning("a token could not be added to its answer", exc_info=True)
        reason = (
            error if isinstance(error, GenerationError) else StepError(f"{type(error).__name__}: {error}")
        )
        fail(sequence, reason)
        return False
    if news is None:
        return keep_alive(sequence)
    return _send(sequence, news)


def keep_alive(sequence: Sequence) -> bool:
    """Send an empty delta now and then, by which who passes it on learns whether the client is still there.

    Returns:
        Whether the request goes on.
    """
    sequence.silent_steps += 1
    return sequence.silent_steps % SILENT_STEPS != 0 or _send(sequence, sequence.taken())


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


def _joined(first: Delta | None, second: Delta | None) -> Delta | None:
    if first is None or second is None:
        return first or second
    return first.joined(second)


def _send(sequence: Sequence, delta: Delta) -> bool:
    sequence.silent_steps = 0
    try:
        sequence.sink.send(delta)
    except Exception as error:
        logger.warning("a piece of an answer could not be delivered", exc_info=True)
        fail(sequence, StepError(f"the answer could not be delivered ({error}); ask again"))
        return False
    return not delta.finish_reason
