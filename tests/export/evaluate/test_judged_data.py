"""Judged data sets are found at any depth, linked ones too."""

from pathlib import Path

import pytest
from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate.judged_data import find_judged_data


def data_set(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("passages.jsonl", "questions.dev.jsonl"):
        (folder / name).write_text("{}\n", encoding="utf-8")
    return folder


def test_sets_are_named_by_their_paths(tmp_path: Path) -> None:
    judged, elsewhere = tmp_path / "judged", data_set(tmp_path / "elsewhere")
    nested = data_set(judged / "xquad" / "en")
    (judged / "linked").symlink_to(elsewhere, target_is_directory=True)

    assert find_judged_data(judged) == {"linked": judged / "linked", "xquad/en": nested}
    assert find_judged_data(nested) == {"en": nested}


def test_a_folder_without_any_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        EvaluationError, match=f"{tmp_path} holds no data set: name a folder with passages.jsonl"
    ):
        find_judged_data(tmp_path)
