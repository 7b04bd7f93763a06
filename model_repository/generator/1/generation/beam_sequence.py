"""A request that is answered by beam search: a slot for each beam, and a row of each slot in every step.

Its answer is known when the search is over, and goes out as one piece. Until then its sink hears now and then
that it is still worked on, as during a long prompt.
"""

import numpy as np

from generation.adapter import SlotRows, StepResult
from generation.beam_search import BeamRules, BeamSearch
from generation.beam_slots import CacheCopy, placed
from generation.deadline import Deadline
from generation.delta import Delta, Sink
from generation.detokenizer import Detokenizer
from generation.errors import StepError
from generation.options import GenerationOptions
from generation.request import Request


class BeamSequence(Request):
    """A request with BEAMS above 1.

    Args:
        prompt_ids: the source of an encoder, not empty.
        options: what was asked for.
        sink: where the answer goes.
        detokenizer: a fresh one.
        end_token_ids: the tokens by which the model ends an answer.
        deadline: when it has to have ended, if ever.
    """

    def __init__(
        self,
        prompt_ids: list[int],
        options: GenerationOptions,
        sink: Sink,
        detokenizer: Detokenizer,
        end_token_ids: frozenset[int],
        deadline: Deadline | None = None,
    ) -> None:
        super().__init__(prompt_ids, sink, deadline, slots_needed=options.beams)
        self._rules = BeamRules(
            beams=options.beams,
            end_token_ids=end_token_ids.union(options.stop_tokens),
            max_tokens=options.max_tokens,
            min_tokens=options.min_tokens,
            length_penalty=options.length_penalty,
            repetition_penalty=options.repetition_penalty,
        )
        self._detokenizer = detokenizer
        self._search = BeamSearch(self._rules, ())
        self._beam_slots: tuple[int, ...] = ()
        self._copies: tuple[CacheCopy, ...] = ()
        self._answer_tokens = 0
        self._is_decoding = False

    @property
    def needs_logits(self) -> bool:
        """Always: beams are compared by their scores."""
        return True

    @property
    def answer_tokens(self) -> int:
        """How many tokens the answer has; 0 until the search is over."""
        return self._answer_tokens

    @property
    def is_decoding(self) -> bool:
        """Whether the first tokens have been read and there are beams."""
        return self._is_decoding

    @property
    def copies(self) -> tuple[CacheCopy, ...]:
        """What the beams of the next step have in common with those of the last."""
        return self._copies

    def begin(self, first_tokens: tuple[int, ...], past: int) -> None:
        """Begin the search in the first slot."""
        self.token_ids = list(first_tokens)
        self.past = past
        self._search = BeamSearch(self._rules, first_tokens)
        self._beam_slots = self.slots[:1]

    def next_rows(self, drafts: tuple[int, ...]) -> tuple[SlotRows, ...]:
        """The last token of each beam."""
        each = zip(self._beam_slots, self._search.beams, strict=True)
        return tuple(SlotRows(slot, beam.token_ids[-1:], self.past, outputs=1) for slot, beam in each)

    def advance(self, drafts: tuple[int, ...], result: StepResult) -> Delta | None:
        """Choose the next beams, or the answer when the search is over."""
        if not np.isfinite(result.best_scores).all():
            raise StepError(f"the model's scores are no numbers: the largest are {result.best_scores}")
        if result.logits is None:
            raise StepError("the model gave no scores to choose from; its adapter ignores `logits`")
        self.past += 1 if self._is_decoding else self.unread
        self._is_decoding = True
        self._search.advance(result.logits)
        if self._search.is_over:
            return self._answer()
        parents = [self._beam_slots[beam.parent] for beam in self._search.beams]
        self._beam_slots, self._copies = placed(parents, self.slots, self.past)
        return None

    def taken(self) -> Delta:
        """A delta that says nothing but that the request is worked on."""
        return Delta("", "", len(self.prompt_ids), self.answer_tokens)

    def _answer(self) -> Delta:
        best = self._search.best
        if best is None:
            raise StepError("the model's scores leave no token to choose")
        text = "".join(self._detokenizer.push(token_id) for token_id in best.token_ids)
        text += self._detokenizer.flush()
        self._answer_tokens = len(best.token_ids)
        return Delta(text, "length" if best.is_cut else "stop", len(self.prompt_ids), self._answer_tokens)
