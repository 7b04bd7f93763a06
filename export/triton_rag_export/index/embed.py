"""Embed the corpus with the very graph that serves, long batches sorted by length."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from query_encoding import QueryEncoder
from query_tokenization import QueryTokenizer


@dataclass(frozen=True, slots=True)
class EmbeddedPassages:
    """The corpus as vectors.

    Attributes:
        vectors: `(texts, dimension)`.
        tokens: encoded in all, special tokens included.
        cut_short: texts that were longer than the encoder takes and lost their end.
        seconds: it took.
    """

    vectors: npt.NDArray[np.float32]
    tokens: int
    cut_short: int
    seconds: float

    @property
    def texts_per_s(self) -> float:
        """Throughput in texts."""
        return len(self.vectors) / self.seconds

    @property
    def tokens_per_s(self) -> float:
        """Throughput in tokens."""
        return self.tokens / self.seconds


def embed_passages(
    texts: Sequence[str],
    tokenizer: QueryTokenizer,
    encoder: QueryEncoder,
    *,
    prefix: str = "",
    progress: Callable[[int], None] | None = None,
) -> EmbeddedPassages:
    """Embed texts.

    Args:
        texts: of the passages, from `indexed_text`.
        tokenizer: the encoder's.
        encoder: the exported graph.
        prefix: the encoder's `passage_prefix`.
        progress: called with the number of texts finished since its last call.
    """
    started = time.perf_counter()
    prefixed = [prefix + text for text in texts]
    token_ids = tokenizer.encode_texts(prefixed)
    vectors = encoder.encode_ragged(token_ids, progress)
    limit = tokenizer.settings.max_tokens
    full = [text for text, ids in zip(prefixed, token_ids, strict=True) if len(ids) >= limit]
    return EmbeddedPassages(
        vectors=vectors,
        tokens=sum(len(ids) for ids in token_ids),
        cut_short=tokenizer.count_cut(full),
        seconds=time.perf_counter() - started,
    )
