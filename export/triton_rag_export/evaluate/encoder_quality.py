"""What an exported encoder finds: exact dense search over judged passages, so that nothing else differs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from triton_rag_export.evaluate.judged_data import JudgedData
from triton_rag_export.evaluate.retrieval_measures import retrieval_measures

DEPTH = 50
QUESTIONS_A_SEARCH = 64

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class JudgedVectors:
    """A data set as vectors.

    Attributes:
        passages: (passages, dimension).
        questions: (questions, dimension).
    """

    passages: Vectors
    questions: Vectors


def embed_judged_data(
    folder: Path, data: JudgedData, progress: Callable[[int], None] | None = None
) -> JudgedVectors:
    """Embed passages and questions, each with its own prefix, by the code that serves.

    Args:
        folder: graph, settings and tokenizer of an encoder.
        data: what to embed.
        progress: called with the number of passages finished since its last call.
    """
    from query_encoding import EncoderSettings, QueryEncoder
    from query_tokenization import QueryTokenizer

    from triton_rag_export.index import embed_passages, indexed_text

    tokenizer, encoder = QueryTokenizer.load(folder), QueryEncoder.load(folder)
    prefix = str(EncoderSettings.read(folder).fingerprint["passage_prefix"])
    texts = [indexed_text(passage) for passage in data.passages]
    passages = embed_passages(texts, tokenizer, encoder, prefix=prefix, progress=progress).vectors
    asked = [tokenizer.settings.query_prefix + question.text for question in data.questions]
    return JudgedVectors(passages, encoder.encode_ragged(tokenizer.encode_texts(asked)))


def retrieval_quality(data: JudgedData, passages: Vectors, questions: Vectors) -> dict[str, float]:
    """Measures of the rankings by inner product, as `retrieval_measures` gives them.

    Args:
        data: which passages are right.
        passages: (passages, dimension), in the order of the data.
        questions: (questions, dimension), likewise; of another encoder for asymmetric retrieval.
    """
    depth = min(DEPTH, len(passages))
    ids = [passage.id for passage in data.passages]
    rankings: list[list[str]] = []
    for start in range(0, len(questions), QUESTIONS_A_SEARCH):
        scores = questions[start : start + QUESTIONS_A_SEARCH] @ passages.T  # (questions, passages)
        rankings += [[ids[index] for index in np.argsort(-row, kind="stable")[:depth]] for row in scores]
    return retrieval_measures([question.relevant for question in data.questions], rankings)


def mean_cosine(left: Vectors, right: Vectors) -> float:
    """The mean cosine of pairs of vectors, (texts, dimension) each."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(np.mean(np.einsum("rd,rd->r", left, right, dtype=np.float64) / norms))
