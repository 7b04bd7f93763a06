"""llama.cpp in Q8_0 through its batch interface: what its server does with parallel slots, without HTTP.

Prompts are read in batches of 512 tokens over all sequences; sequences whose prompt is read take part in
every batch with one token.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from generator_peers.contender import CONTEXT_TOKENS, SLOTS, Answer, ModelFiles, Recorder

BATCH_TOKENS = 512
FILE_NAME = "model.gguf"


def prepare(model: ModelFiles, folder: Path, precision: str) -> None:
    """Rewrite the GGUF file in Q8_0."""
    from gguf import GGMLQuantizationType

    from generator_peers.gguf_files import rewrite_gguf

    rewrite_gguf(model.gguf, folder / FILE_NAME, GGMLQuantizationType[precision.upper()])


def load(folder: Path, precision: str, threads: int) -> "LlamaCppContender":
    """The model and a context with room for all slots."""
    import llama_cpp

    silent = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)
    llama_cpp.llama_backend_init()
    llama_cpp.llama_log_set(silent, None)
    model = llama_cpp.llama_model_load_from_file(
        str(folder / FILE_NAME).encode(), llama_cpp.llama_model_default_params()
    )
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = SLOTS * CONTEXT_TOKENS
    parameters.n_batch = parameters.n_ubatch = BATCH_TOKENS
    parameters.n_seq_max = SLOTS
    parameters.n_threads = parameters.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, parameters)
    return LlamaCppContender(model, context, silent)


class LlamaCppContender:
    """A context of llama.cpp.

    Args:
        model: loaded; kept alive with the context.
        context: with `SLOTS` sequences.
        log: the callback that it logs to, kept alive too.
    """

    def __init__(self, model: Any, context: Any, log: Any) -> None:
        import llama_cpp

        self._model, self._context, self._log = model, context, log
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        self._batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)

    def answer(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[Answer]:
        """All prompts as sequences of one context, batch by batch."""
        import llama_cpp

        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        recorder = Recorder(len(prompts))
        unread = [list(prompt) for prompt in prompts]
        past = [0] * len(prompts)
        while any(unread):
            asking = self._fill(unread, past)
            if (status := llama_cpp.llama_decode(self._context, self._batch)) != 0:
                raise RuntimeError(f"llama_decode returned {status}")
            for sequence, row in asking:
                token_id = int(self._logits(row).argmax())
                if recorder.add(sequence, token_id) < new_tokens:
                    unread[sequence] = [token_id]
        return recorder.answers()

    def _fill(self, unread: list[list[int]], past: list[int]) -> list[tuple[int, int]]:
        """Put unread tokens into the batch, single ones first; which sequences ask for a token, and where."""
        batch, filled, asking = self._batch, 0, []
        for sequence in sorted(range(len(unread)), key=lambda index: len(unread[index]) > 1):
            taken = unread[sequence][: BATCH_TOKENS - filled]
            del unread[sequence][: len(taken)]
            for token_id in taken:
                batch.token[filled] = token_id
                batch.pos[filled] = past[sequence]
                batch.n_seq_id[filled] = 1
                batch.seq_id[filled][0] = sequence
                batch.logits[filled] = False
                past[sequence] += 1
                filled += 1
            if taken and not unread[sequence]:
                batch.logits[filled - 1] = True
                asking.append((sequence, filled - 1))
        batch.n_tokens = filled
        return asking

    def _logits(self, row: int) -> npt.NDArray[np.float32]:
        import llama_cpp

        pointer = llama_cpp.llama_get_logits_ith(self._context, row)
        return np.ctypeslib.as_array(pointer, shape=(self._vocabulary,))
