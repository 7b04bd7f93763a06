"""Beam search over a model's scores: several beginnings of an answer are written on side by side, and the
answer is the one that the model finds most probable for its length.

The semantics are those of `generate(num_beams=N, do_sample=False, early_stopping=False)` of transformers
(5.23, `GenerationMixin._beam_search`), token for token. Each step looks at the most probable continuations of
all beams. Those among the first N that end become finished answers, of which the N of the highest score are
kept: their log-probability divided by length ** LENGTH_PENALTY. The first N that do not end are written on.
The search is over when N answers are finished and the best beam, scored as if it ended where it is, is no
better than the worst of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generation.scores import exclude, log_probabilities, penalize

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Beam:
    """A beginning of an answer.

    Attributes:
        token_ids: of the answer so far.
        log_probability: of all of them together, behind the penalty on repetition.
        parent: the place of the beam that it goes on from, among those of the step before.
    """

    token_ids: tuple[int, ...] = ()
    log_probability: float = 0.0
    parent: int = 0


@dataclass(frozen=True, slots=True)
class FinishedAnswer:
    """An answer that ended.

    Attributes:
        token_ids: without the token that ended it.
        score: its log-probability, that of the end included, divided by length ** LENGTH_PENALTY.
        is_cut: whether MAX_TOKENS ended it, and not a token.
    """

    token_ids: tuple[int, ...]
    score: float
    is_cut: bool


@dataclass(frozen=True, slots=True)
class BeamRules:
    """What a search obeys.

    Attributes:
        beams: how many beginnings are written on side by side.
        end_token_ids: the tokens that end an answer.
        max_tokens: an answer has at most this many tokens, the one that ends it included.
        min_tokens: no token ends an answer before it has this many.
        length_penalty: above 0 favours long answers, below 0 short ones.
        repetition_penalty: as `scores.penalize` takes it; 1 is off.
    """

    beams: int
    end_token_ids: frozenset[int]
    max_tokens: int
    min_tokens: int = 0
    length_penalty: float = 1.0
    repetition_penalty: float = 1.0


class BeamSearch:
    """The search for one answer.

    Args:
        rules: what it obeys.
        first_tokens: what the decoder reads before the answer. The first of them opens it; those behind count
            as written: in an answer's length, as transformers counts the ones that it forces.

    Attributes:
        beams: those to write on, the most probable first: one before the first step, then N, unless the
            model's scores leave fewer; none once the search is over.
    """

    def __init__(self, rules: BeamRules, first_tokens: Sequence[int]) -> None:
        self.beams: tuple[Beam, ...] = (Beam(),)
        self._rules = rules
        self._first_tokens = tuple(first_tokens)
        self._finished: list[FinishedAnswer] = []  # the best first, at most N
        self._tokens = 0

    @property
    def is_over(self) -> bool:
        """Whether the best answer is known."""
        return not self.beams

    @property
    def best(self) -> FinishedAnswer | None:
        """The best answer that is finished; None when there is none."""
        return self._finished[0] if self._finished else None

    def advance(self, scores: Scores) -> None:
        """Write each beam on by a token.

        Args:
            scores: the model's, of the token behind each of `beams`, (beams, vocabulary).
        """
        candidates = self._candidates(scores)
        self._tokens += 1
        self._finish([each for each in candidates[: self._rules.beams] if self._ends(each)])
        going_on = [each for each in candidates if not self._ends(each)][: self._rules.beams]
        self.beams = tuple(going_on) if going_on and self._can_improve(going_on[0]) else ()

    def _candidates(self, scores: Scores) -> list[Beam]:
        """The most probable continuations, the best first: so many that N of them do not end."""
        so_far = np.array([beam.log_probability for beam in self.beams], np.float32)
        totals = self._ruled(log_probabilities(scores)) + so_far[:, None]  # (beams, vocabulary)
        vocabulary = totals.shape[1]
        count = self._rules.beams * max(2, 1 + len(self._rules.end_token_ids))
        return [
            Beam((*self.beams[place // vocabulary].token_ids, place % vocabulary), total, place // vocabulary)
            for place, total in _largest(totals.reshape(-1), count)
        ]

    def _ruled(self, log_probs: Scores) -> Scores:
        """The log-probabilities behind the penalty on repetition, without ends that come too early."""
        rules = self._rules
        if rules.repetition_penalty != 1.0:
            texts = ([*self._first_tokens, *beam.token_ids] for beam in self.beams)
            each = zip(log_probs, texts, strict=True)
            log_probs = np.stack([penalize(row, text, rules.repetition_penalty) for row, text in each])
        if self._tokens < rules.min_tokens:
            log_probs = np.stack([exclude(row, rules.end_token_ids) for row in log_probs])
        return log_probs

    def _ends(self, beam: Beam) -> bool:
        return self._tokens == self._rules.max_tokens or beam.token_ids[-1] in self._rules.end_token_ids

    def _finish(self, ended: list[Beam]) -> None:
        """Keep the best N of all finished answers; of equals who finished first."""
        for beam in ended:
            is_cut = beam.token_ids[-1] not in self._rules.end_token_ids
            token_ids = beam.token_ids if is_cut else beam.token_ids[:-1]
            self._finished.append(FinishedAnswer(token_ids, self._normalized(beam), is_cut))
        self._finished.sort(key=lambda answer: -answer.score)
        del self._finished[self._rules.beams :]

    def _can_improve(self, best: Beam) -> bool:
        """Whether the best beam may still end among the best N answers, if it loses nothing any more."""
        is_full = len(self._finished) == self._rules.beams
        return not is_full or self._normalized(best) > self._finished[-1].score

    def _normalized(self, beam: Beam) -> float:
        length = self._tokens + len(self._first_tokens) - 1
        return beam.log_probability / float(length**self._rules.length_penalty)


def _largest(values: Scores, count: int) -> list[tuple[int, float]]:
    """The places and values of the largest finite numbers, the largest first; of equals the first."""
    count = min(count, len(values))
    places = np.argpartition(-values, count - 1)[:count]
    places = places[np.lexsort((places, -values[places]))]
    return [(int(place), float(values[place])) for place in places if np.isfinite(values[place])]
