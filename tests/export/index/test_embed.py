"""Embedding a corpus: the same vectors as one text at a time, and what it reports."""

from pathlib import Path

import numpy as np
import pytest
from query_encoding import QueryEncoder
from query_tokenization import QueryTokenizer
from tiny_encoders import TinyEncoder, save_tiny_encoder
from triton_rag_export.graph.encoder import EncoderExport, export_encoder
from triton_rag_export.graph.model_source import resolve_model
from triton_rag_export.index import embed_passages

TEXTS = ["A list.", "A dictionary finds a value by its key. " * 5, "第二", "Sorting is stable."]


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    source = resolve_model(str(save_tiny_encoder(TinyEncoder(), tmp_path_factory.mktemp("model"))))
    export_encoder(source, EncoderExport(), folder)
    return folder


def test_vectors_are_those_of_each_text_alone(encoder_folder: Path) -> None:
    tokenizer, encoder = QueryTokenizer.load(encoder_folder), QueryEncoder.load(encoder_folder)
    finished: list[int] = []
    embedded = embed_passages(TEXTS, tokenizer, encoder, prefix="passage: ", progress=finished.append)
    for text, vector in zip(TEXTS, embedded.vectors, strict=True):
        (alone,) = encoder.encode_ragged(tokenizer.encode_texts(["passage: " + text]))
        assert np.array_equal(vector, alone)
    assert sum(finished) == len(TEXTS)


def test_the_report_counts_tokens_and_texts_that_lost_their_end(encoder_folder: Path) -> None:
    tokenizer, encoder = QueryTokenizer.load(encoder_folder), QueryEncoder.load(encoder_folder)
    embedded = embed_passages(TEXTS, tokenizer, encoder)
    assert embedded.tokens == sum(len(ids) for ids in tokenizer.encode_texts(TEXTS))
    assert embedded.cut_short == 1
    exactly_full = "x" * (tokenizer.settings.max_tokens - 2)
    assert embed_passages([exactly_full, exactly_full + "x"], tokenizer, encoder).cut_short == 1
    assert embedded.texts_per_s > 0
    assert embedded.tokens_per_s > embedded.texts_per_s
