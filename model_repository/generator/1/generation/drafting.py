"""Drafts of what an answer says next, copied from where its last words stood before.

An answer to a question about passages repeats them. So where the last few tokens occur earlier, in the prompt
or in the answer itself, the tokens behind that place are a good guess, and the model can verify several of
them in one step (Yang et al. 2023, "Inference with Reference", https://arxiv.org/abs/2304.04487; known as
prompt lookup decoding). No second model, no cost but a dictionary.
"""

from collections.abc import Sequence

SHORTEST, LONGEST = 2, 4
"""Tokens of a match: longer ones are looked for first; a single token occurs too often to mean anything."""

_DECAY = 0.9
_PRIOR_KEPT, _PRIOR_TRIED = 1.0, 2.0


class DraftSource:
    """The text of one request, and the places of its short phrases.

    Args:
        prompt_ids: the prompt, or the source of an encoder.
    """

    def __init__(self, prompt_ids: Sequence[int]) -> None:
        self._token_ids: list[int] = []
        # Behind which token each phrase was last followed by another; its own end is not entered yet.
        self._places: dict[tuple[int, ...], int] = {}
        for token_id in prompt_ids:
            self.push(token_id)

    def push(self, token_id: int) -> None:
        """Add the next token."""
        place = len(self._token_ids)
        for length in range(SHORTEST, min(LONGEST, place) + 1):
            self._places[tuple(self._token_ids[place - length :])] = place
        self._token_ids.append(token_id)

    def propose(self, count: int) -> tuple[int, ...]:
        """What followed the last time that the text was at this point: at most `count` tokens, often none."""
        place = self._place()
        if place is None or count < 1:
            return ()
        text = self._token_ids
        period = len(text) - place  # a draft that reaches the text's end goes on with what it began with
        return tuple(text[place + index % period] for index in range(count))

    def _place(self) -> int | None:
        for length in range(min(LONGEST, len(self._token_ids)), SHORTEST - 1, -1):
            place = self._places.get(tuple(self._token_ids[-length:]))
            if place is not None:
                return place
        return None


class Acceptance:
    """How often a request's drafted tokens turn out right, recent ones counting most."""

    def __init__(self) -> None:
        self._kept, self._tried = _PRIOR_KEPT, _PRIOR_TRIED

    @property
    def rate(self) -> float:
        """The probability that the next drafted token is right, above 0 and below 1."""
        return self._kept / self._tried

    def observe(self, kept: int, *, failed: bool) -> None:
        """Count what became of a draft.

        Args:
            kept: tokens that were right, before the first wrong one.
            failed: whether there was a wrong one.
        """
        tried = kept + failed
        decay = _DECAY**tried
        self._kept = self._kept * decay + kept
        self._tried = self._tried * decay + tried
