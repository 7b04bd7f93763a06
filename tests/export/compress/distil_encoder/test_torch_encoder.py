"""Encoders in torch give sentence-transformers' vectors, before and after they were saved."""

from pathlib import Path

import numpy as np
import pytest
import torch
from export.compress.distil_encoder.tiny_data import PASSAGES, QUERIES, tiny_teacher
from sentence_transformers import SentenceTransformer
from triton_rag_export.compress.distil_encoder import TorchEncoder
from triton_rag_export.compress.distil_encoder.token_texts import TextTokenizer, encoded
from triton_rag_export.graph.model_source import resolve_model

TEXTS = [*QUERIES, *PASSAGES, "x", "Ein längerer Satz, der über die Grenze des Kodierers hinausgeht. " * 3]


def vectors(encoder: TorchEncoder, folder: Path) -> np.ndarray:
    source = resolve_model(str(folder))
    tokenizer = TextTokenizer(source, encoder.text, encoder.text.max_tokens)
    return encoded(encoder.eval(), tokenizer.encode(TEXTS), tokenizer.pad_id, tokens_a_batch=100)


@pytest.mark.parametrize(
    "changes",
    [{}, {"pooling": "cls"}, {"family": "distilbert"}, {"family": "mpnet"}, {"family": "roberta"}],
    ids=str,
)
def test_vectors_are_those_of_sentence_transformers(changes: dict[str, str], tmp_path: Path) -> None:
    teacher = tiny_teacher(tmp_path / "teacher", **changes)
    encoder = TorchEncoder.load(resolve_model(str(teacher)))
    expected = SentenceTransformer(str(teacher), device="cpu").encode(TEXTS)

    np.testing.assert_allclose(vectors(encoder, teacher), expected, atol=1e-5)
    encoder.save(resolve_model(str(teacher)), tmp_path / "saved")
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(again, expected, atol=1e-6)


def test_a_projection_is_saved_as_sentence_transformers_reads_it(tmp_path: Path) -> None:
    folder = tiny_teacher(tmp_path / "teacher")
    source = resolve_model(str(folder))
    plain = TorchEncoder.load(source)
    torch.manual_seed(1)
    encoder = TorchEncoder(plain.transformer, plain.text, width=12)

    encoder.save(source, tmp_path / "saved")

    assert encoder.width == 12
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(vectors(encoder, folder), again, atol=1e-5)
    assert not list((tmp_path / "saved").rglob("*.bin"))
