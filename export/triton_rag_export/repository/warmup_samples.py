"""What each step of the pipeline is warmed with: one sample a bucket, a retriever, or a kind of prompt.

The text is fixed, so that the same recipe always gives the same files; the token ids come from the recipe's
own tokenizers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from triton_rag_export.repository.warmup import WarmupSample, int32, number_input, text_input

WARMUP_QUESTION = "How is a sorted list searched quickly?"
WARMUP_TITLE = "searching sorted lists"
WARMUP_TEXT = (
    "A sorted list is searched by halving: look at the element in the middle, compare it with the value "
    "that is wanted, and go on in the half that can still hold it. A list of a million elements needs "
    "no more than twenty comparisons, because each of them throws away half of what is left. Two things "
    "have to be right. The list must really be sorted by the same rule that the comparison uses; a list "
    "of names sorted without regard to case is not sorted for a comparison that regards it. And the "
    "borders have to move past the element that was looked at, or the search never ends when two "
    "elements are left. When the value may be there several times, decide whether the first or the last "
    "place is wanted; both searches keep on halving after the value was found, and differ only in the "
    "half they keep. Inserting at the place that was found keeps the list sorted, but moves every "
    "element behind it: finding is fast, inserting is not. If many values come and go, a tree or a heap "
    "serves better; if the list is built once and then only read, sort it once and search it as often "
    "as needed. For values that are spread evenly the middle need not be the place to look at first: a "
    "guess from the value itself, as one opens a dictionary near the end to find the letter W, needs "
    "even fewer steps, though on uneven data it can need many more. "
)
WARMUP_PASSAGES = 4
WARMUP_ANSWER_TOKENS = 4
RETRIEVERS = ("dense", "bm25", "hybrid")

Samples = dict[str, tuple[WarmupSample, ...]]
"""Samples by model."""


class TokenizedRows(Protocol):
    """What `query_tokenization.TokenizedQueries` gives."""

    @property
    def input_ids(self) -> npt.NDArray[np.int32]:
        """Token ids, (rows, bucket)."""
        ...

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Real tokens, (rows,)."""
        ...


class Tokenizer(Protocol):
    """What `query_tokenization.QueryTokenizer` does."""

    def encode(self, queries: Sequence[bytes]) -> TokenizedRows:
        """Token ids of the queries, padded to one bucket."""
        ...


@dataclass(frozen=True, slots=True)
class BucketText:
    """A text that the tokenizer pads to `bucket` tokens."""

    text: str
    input_ids: npt.NDArray[np.int32]  # (bucket,)
    length: int

    @property
    def bucket(self) -> int:
        """Tokens with padding."""
        return int(self.input_ids.shape[0])


def bucket_texts(tokenizer: Tokenizer, buckets: Sequence[int]) -> tuple[BucketText, ...]:
    """For each bucket the longest beginning of the warm-up text that the tokenizer pads to it."""
    texts = (_longest_beginning(tokenizer, bucket) for bucket in buckets)
    return tuple(text for text in texts if text is not None)


def retrieval_samples(texts: Sequence[BucketText], embedding_size: int) -> Samples:
    """The samples of `query_tokenizer`, `query_encoder` and `passage_search`."""
    unit_vector = np.full(embedding_size, embedding_size**-0.5, dtype=np.float32)
    return {
        "query_tokenizer": tuple(
            WarmupSample(f"bucket_{text.bucket}", (text_input("QUERY", [text.text]),)) for text in texts
        ),
        "query_encoder": tuple(
            WarmupSample(
                f"bucket_{text.bucket}",
                (number_input("INPUT_IDS", text.input_ids), number_input("LENGTH", int32(text.length))),
            )
            for text in texts
        ),
        "passage_search": tuple(
            WarmupSample(
                retriever,
                (
                    text_input("QUERY", [WARMUP_QUESTION]),
                    number_input("EMBEDDING", unit_vector),
                    text_input("QUERY_ERROR", [""]),
                    text_input("RETRIEVER", [retriever]),
                ),
            )
            for retriever in RETRIEVERS
        ),
    }


def generation_samples(prompts: Mapping[str, npt.NDArray[np.int32]]) -> Samples:
    """The samples of `prompt_builder` and `generator`; `prompts` are token ids by a sample's name."""
    passages = (
        text_input("PASSAGE_ID", [f"warmup#{n}" for n in range(WARMUP_PASSAGES)]),
        text_input("PASSAGE_TITLE", [WARMUP_TITLE] * WARMUP_PASSAGES),
        text_input("PASSAGE_TEXT", [WARMUP_TEXT[:500]] * WARMUP_PASSAGES),
    )
    return {
        "prompt_builder": (WarmupSample("passages", (text_input("QUERY", [WARMUP_QUESTION]), *passages)),),
        "generator": tuple(
            WarmupSample(
                name,
                (
                    number_input("PROMPT_IDS", ids.astype(np.int32)),
                    number_input("MAX_TOKENS", int32(WARMUP_ANSWER_TOKENS)),
                ),
            )
            for name, ids in prompts.items()
        ),
    }


def _longest_beginning(tokenizer: Tokenizer, bucket: int) -> BucketText | None:
    """The longest beginning of the warm-up text within `bucket`; None when no beginning is padded to it."""
    source = WARMUP_TEXT * (1 + bucket * 8 // len(WARMUP_TEXT))
    low, high = 1, len(source)
    while low < high:
        middle = (low + high + 1) // 2
        if _encode(tokenizer, source[:middle]).bucket <= bucket:
            low = middle
        else:
            high = middle - 1
    found = _encode(tokenizer, source[:low])
    return found if found.bucket == bucket else None


def _encode(tokenizer: Tokenizer, text: str) -> BucketText:
    tokenized = tokenizer.encode([text.encode("utf-8")])
    return BucketText(text, tokenized.input_ids[0], int(tokenized.lengths[0]))
