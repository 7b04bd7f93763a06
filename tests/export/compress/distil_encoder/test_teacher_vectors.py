"""Vectors of a teacher: the same whether computed at once or after a kill, and what they took."""

from pathlib import Path

import numpy as np
import pytest
from export.compress.distil_encoder.tiny_data import OTHERS, PASSAGES, QUERIES, tiny_teacher
from triton_rag_export.compress.distil_encoder import TorchEncoder, teacher_vectors
from triton_rag_export.compress.distil_encoder.token_texts import TextTokenizer, encoded
from triton_rag_export.compress.outcome import Progress
from triton_rag_export.graph.model_source import resolve_model

TEXTS = [*QUERIES, *PASSAGES, *OTHERS]
CHUNK = 10


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_vectors, "TEXTS_A_CHUNK", CHUNK)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    source = resolve_model(str(tiny_teacher(tmp_path / "teacher")))
    teacher = TorchEncoder.load(source).eval()
    tokenizer = TextTokenizer(source, teacher.text, teacher.text.max_tokens)
    ids = tokenizer.encode(TEXTS)
    seen: list[int] = []

    def stop(progress: Progress) -> None:
        seen.append(progress.step)
        if progress.step == 2 * CHUNK:
            raise KeyboardInterrupt

    def compute(report: object) -> teacher_vectors.TeacherVectors:
        return teacher_vectors.teacher_vectors(
            teacher, source, ids, tokenizer.pad_id, tmp_path / "kept", report
        )

    with pytest.raises(KeyboardInterrupt):
        compute(stop)
    found = compute(lambda progress: seen.append(progress.step))

    assert seen == list(range(CHUNK, len(ids) + 1, CHUNK))
    np.testing.assert_allclose(found.vectors, encoded(teacher, ids, tokenizer.pad_id), atol=1e-6)
    assert found.seconds > 0
    tokens = sum(map(len, ids))
    weights = sum(each.numel() for each in teacher.transformer.encoder.parameters())
    assert found.flops >= 2 * 0.9 * weights * tokens
    again = compute(lambda progress: seen.append(-1))
    assert -1 not in seen
    assert (again.seconds, again.flops) == (found.seconds, found.flops)
