"""The options of a question, by their Python names; each goes to the server as one optional tensor.

None, or leaving an option out, means the server's own default, which the repository's recipe decides.
Ranges are checked by the server alone, so that there is one truth: a wrong value raises
`InvalidRequestError` with the name, the value and the range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AskOptions", "RetrieveOptions", "Retriever"]

Retriever = Literal["dense", "bm25", "hybrid"]


class RetrieveOptions(TypedDict, total=False):
    """How passages are found.

    Keys:
        retriever: `dense` (vectors), `bm25` (words) or `hybrid` (both, fused by reciprocal rank).
        passages_k: How many passages, 1 to 20.
    """

    retriever: Retriever | None
    passages_k: int | None


class AskOptions(RetrieveOptions, total=False):
    """How passages are found and the answer is generated.

    Keys:
        max_tokens: Most tokens of the answer, from 1 to the limit of the repository (512 unless built
            otherwise).
        min_tokens: Fewest tokens of the answer, 0 to max_tokens: no token ends it before; a string of `stop`
            does.
        temperature: 0 (greedy, the same answer each time) to 2.
        top_k: Sample among the k likeliest tokens, 0 (off) to 1000.
        top_p: Sample among the likeliest tokens that together have this probability, above 0 to 1 (off).
        seed: Of the sampling, 0 to 2^63 - 1.
        repetition_penalty: Above 1, tokens that stand in prompt or answer already (of T5 and BART: in the
            answer) become less probable, below 1 more; 0.1 to 10, 1 is off.
        stop: Strings that end the answer: up to 8, each of 1 to 64 characters.
        stop_tokens: Up to 16 ids of tokens that end the answer, beside the model's own. They are not in it.
        logprobs: Whether the answer, or each delta, comes with the log-probabilities of its tokens.
        beams: How many beginnings of the answer are searched side by side, 1 (off) to 8 and at most the
            repository's slots; above 1 with T5 and BART only, without temperature, top_k, top_p, seed, stop
            and logprobs. The answer comes at the end, in one delta.
        length_penalty: Of beam search: above 0 favours long answers, below 0 short ones; -2 to 5.
    """

    max_tokens: int | None
    min_tokens: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    seed: int | None
    repetition_penalty: float | None
    stop: Sequence[str] | None
    stop_tokens: Sequence[int] | None
    logprobs: bool | None
    beams: int | None
    length_penalty: float | None
