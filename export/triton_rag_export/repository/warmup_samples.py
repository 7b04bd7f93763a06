"""What each step of the pipeline is warmed with: one sample a bucket, a retriever, or a kind of prompt.

The text is fixed, so that the same recipe always gives the same files; the token ids come from the recipe's
own tokenizers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from triton_rag_export.repository.warmup import WarmupSample, int32, number_input, text_input

if TYPE_CHECKING:
    from query_tokenization import QueryTokenizer

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


@dataclass(frozen=True, slots=True)
class BucketText:
    """A text that the tokenizer pads to `bucket` tokens."""

    text: str
    bucket: int


def bucket_texts(tokenizer: "QueryTokenizer") -> tuple[BucketText, ...]:
    """For each bucket the longest beginning of the warm-up text that the tokenizer pads to it.

    A bucket is left out where no query of this text reaches it: the prefix alone is longer, or the longest
    query that is accepted is shorter.
    """
    texts = (_longest_beginning(tokenizer, bucket) for bucket in tokenizer.settings.buckets)
    return tuple(text for text in texts if text is not None)


def bucket_rows(tokenizer: "QueryTokenizer") -> tuple[npt.NDArray[np.int32], ...]:
    """For each bucket a row of token ids that fills it, (bucket,): the warm-up text's, over and over."""
    (ids,) = tokenizer.encode_texts([WARMUP_TEXT])
    return tuple(np.resize(ids, bucket).astype(np.int32) for bucket in tokenizer.settings.buckets)


def retrieval_samples(tokenizer: "QueryTokenizer", embedding_size: int) -> Samples:
    """The samples of `query_tokenizer`, `query_encoder` and `passage_search`."""
    unit_vector = np.full(embedding_size, embedding_size**-0.5, dtype=np.float32)
    return {
        "query_tokenizer": tuple(
            WarmupSample(f"bucket_{text.bucket}", (text_input("QUERY", [text.text]),))
            for text in bucket_texts(tokenizer)
        ),
        "query_encoder": tuple(
            WarmupSample(
                f"bucket_{len(row)}",
                (number_input("INPUT_IDS", row), number_input("LENGTH", int32(len(row)))),
            )
            for row in bucket_rows(tokenizer)
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


def _longest_beginning(tokenizer: "QueryTokenizer", bucket: int) -> BucketText | None:
    """The longest beginning of the warm-up text within `bucket`; None when no beginning is padded to it."""
    source = WARMUP_TEXT * (1 + bucket * 8 // len(WARMUP_TEXT))
    low, high = 1, min(len(source), tokenizer.settings.max_query_characters)
    while low < high:
        middle = (low + high + 1) // 2
        if _bucket(tokenizer, source[:middle]) <= bucket:
            low = middle
        else:
            high = middle - 1
    return BucketText(source[:low], bucket) if _bucket(tokenizer, source[:low]) == bucket else None


def _bucket(tokenizer: "QueryTokenizer", text: str) -> int:
    return int(tokenizer.encode([text.encode("utf-8")]).input_ids.shape[1])
