"""An index serves beside the encoder that made it, and beside no other."""

import json
from pathlib import Path

import pytest
from passage_search import (
    FingerprintMismatchError,
    IndexFilesError,
    PassageSearch,
    check_encoder,
    serving_encoder,
)


def encoder_file(folder: Path, fingerprint: object) -> Path:
    path = folder / "encoder.json"
    path.write_text(json.dumps({"dim": 8, "fingerprint": fingerprint}), encoding="utf-8")
    return path


def test_the_encoder_that_made_the_index_is_accepted(search: PassageSearch, tmp_path: Path) -> None:
    check_encoder(search.settings.encoder, encoder_file(tmp_path, dict(search.settings.encoder)))


def test_another_encoder_is_refused_with_the_fields_that_differ(
    search: PassageSearch, tmp_path: Path
) -> None:
    other = {**search.settings.encoder, "precision": "fp32", "weights": "xyz"}
    with pytest.raises(FingerprintMismatchError) as raised:
        check_encoder(search.settings.encoder, encoder_file(tmp_path, other))
    message = str(raised.value)
    assert "weights (index: 'abc', encoder: 'xyz'), precision (index: 'int8', encoder: 'fp32')" in message
    assert "normalize" not in message
    assert "Build the repository again" in message


def test_a_field_that_is_missing_on_either_side_differs(search: PassageSearch, tmp_path: Path) -> None:
    fewer = {name: value for name, value in search.settings.encoder.items() if name != "dim"}
    with pytest.raises(FingerprintMismatchError, match=r"dim \(index: 8, encoder: None\)"):
        check_encoder(search.settings.encoder, encoder_file(tmp_path, fewer))
    with pytest.raises(FingerprintMismatchError, match=r"pooling \(index: None, encoder: 'cls'\)"):
        check_encoder(
            search.settings.encoder, encoder_file(tmp_path, {**search.settings.encoder, "pooling": "cls"})
        )


def test_an_unreadable_file_is_named(search: PassageSearch, tmp_path: Path) -> None:
    with pytest.raises(IndexFilesError, match=r"encoder\.json cannot be read"):
        check_encoder(search.settings.encoder, tmp_path / "encoder.json")


def test_the_encoder_beside_an_index_is_its_newest_version(tmp_path: Path) -> None:
    version_folder = tmp_path / "passage_search" / "1"
    version_folder.mkdir(parents=True)
    assert serving_encoder(version_folder) is None
    for version in ("2", "10", "old"):
        folder = tmp_path / "query_encoder" / version
        folder.mkdir(parents=True)
        encoder_file(folder, {})
    assert serving_encoder(version_folder) == tmp_path / "query_encoder" / "10" / "encoder.json"
