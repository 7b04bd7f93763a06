"""How well a torch encoder finds the passages of development questions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from triton_rag_export.compress.distil_encoder.data import Development
from triton_rag_export.compress.distil_encoder.token_texts import TextTokenizer, encoded
from triton_rag_export.evaluate.retrieval_measures import retrieval_measures

DEPTH = 10


def retrieval_quality(development: Development, tokenizer: TextTokenizer) -> Callable[[Any], float]:
    """A function that gives an encoder's nDCG@10 on development data.

    Args:
        development: questions and the passages to find.
        tokenizer: cuts texts where training does.
    """
    passages = tokenizer.encode(development.passages, tokenizer.text.passage_prefix)
    questions = tokenizer.encode(development.questions, tokenizer.text.query_prefix)
    grades = [{str(answer): 1} for answer in development.answers]

    def quality(encoder: Any) -> float:
        found, asked = (encoded(encoder, ids, tokenizer.pad_id) for ids in (passages, questions))
        scores = asked @ found.T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
        return retrieval_measures(grades, [[str(place) for place in row] for row in best])["nDCG@10"]

    return quality
