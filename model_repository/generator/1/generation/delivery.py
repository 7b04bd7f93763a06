"""Sends answers to their sinks, so that a sink that raises loses its own answer and no other.

Each function that sends says whether the request goes on.
"""

import logging

from generation.adapter import StepResult
from generation.delta import Delta
from generation.errors import GenerationError, StepError
from generation.request import Request

logger = logging.getLogger(__name__)

SILENT_STEPS = 4
"""So many steps may pass without a word to the sink."""


def announce(request: Request) -> bool:
    """Tell the sink that the request was taken, or has got its slot.

    Returns:
        Whether the request goes on.
    """
    return _send(request, request.taken())


def advance(request: Request, drafts: tuple[int, ...], result: StepResult) -> bool:
    """Hand a request what a step gave and send what is new, as one piece.

    Args:
        request: which.
        drafts: the guesses that its last rows verified.
        result: of its rows.

    Returns:
        Whether the request goes on.
    """
    try:
        news = request.advance(drafts, result)
    except Exception as error:
        logger.warning("a token could not be added to its answer", exc_info=True)
        reason = (
            error if isinstance(error, GenerationError) else StepError(f"{type(error).__name__}: {error}")
        )
        fail(request, reason)
        return False
    if news is None:
        return keep_alive(request)
    return _send(request, news)


def keep_alive(request: Request) -> bool:
    """Send an empty delta now and then, by which who passes it on learns whether the client is still there.

    Returns:
        Whether the request goes on.
    """
    request.silent_steps += 1
    return request.silent_steps % SILENT_STEPS != 0 or _send(request, request.taken())


def fail(request: Request, error: GenerationError) -> None:
    """Tell the sink why there will be no more."""
    try:
        request.sink.fail(error)
    except Exception:
        logger.warning("an error could not be delivered: %s", error, exc_info=True)


def is_cancelled(request: Request) -> bool:
    """Whether nobody waits for the answer any more; a sink that cannot say so is taken to be gone."""
    try:
        return request.sink.is_cancelled()
    except Exception:
        logger.warning("a sink could not say whether it is cancelled", exc_info=True)
        return True


def _send(request: Request, delta: Delta) -> bool:
    request.silent_steps = 0
    try:
        request.sink.send(delta)
    except Exception as error:
        logger.warning("a piece of an answer could not be delivered", exc_info=True)
        fail(request, StepError(f"the answer could not be delivered ({error}); ask again"))
        return False
    return not delta.finish_reason
