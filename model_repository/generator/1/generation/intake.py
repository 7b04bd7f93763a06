"""Checks what is asked of the engine, and makes a request of it: one answer, or a beam search for it."""

from collections.abc import Sequence as Rows

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from generation.adapter import ModelAdapter
from generation.beam_sequence import BeamSequence
from generation.deadline import Deadline
from generation.delta import Sink
from generation.detokenizer import Detokenizer, special_token_ids
from generation.options import GenerationOptions
from generation.prompt_check import checked_prompt
from generation.request import Request
from generation.sequence import Sequence


class Intake:
    """Makes requests for one model; any thread may call it.

    Args:
        adapter: the model; only its limits are read.
        tokenizer: the model's tokenizer.
    """

    def __init__(self, adapter: ModelAdapter, tokenizer: Tokenizer) -> None:
        self._adapter = adapter
        self._tokenizer = tokenizer
        self._special_token_ids = special_token_ids(tokenizer)

    def request(
        self,
        prompt_ids: npt.NDArray[np.int32] | Rows[int],
        options: GenerationOptions,
        sink: Sink,
        deadline: Deadline | None,
    ) -> Request:
        """Make a request.

        Args:
            prompt_ids: the prompt's tokens, in any shape of one row.
            options: what is asked for.
            sink: where the answer goes.
            deadline: when it has to have ended, if ever.

        Raises:
            OptionError: a stop token is unknown, or the model cannot do the beam search asked for.
            PromptError: the prompt is empty, has unknown tokens, or leaves no room for MAX_TOKENS.
        """
        adapter = self._adapter
        prompt = checked_prompt(prompt_ids, adapter.vocabulary_size)
        options.check_vocabulary(adapter.vocabulary_size)
        options.check_beams(adapter.slots, has_encoder=adapter.source_capacity > 0)
        adapter.check_room(len(prompt), options.max_tokens)
        detokenizer = Detokenizer(self._tokenizer, self._special_token_ids)
        kind = Sequence if options.beams == 1 else BeamSequence
        return kind(prompt, options, sink, detokenizer, adapter.end_token_ids, deadline)
