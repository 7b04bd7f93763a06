"""The manifest says what was built from what, and is read back as it was written."""

import hashlib
import json
from pathlib import Path

import pytest
from triton_rag_export.errors import RepositoryError
from triton_rag_export.repository import read_manifest, write_manifest
from triton_rag_export.repository.manifest import repository_files


def test_a_manifest_is_read_as_it_was_written(repository: Path, tmp_path: Path) -> None:
    manifest = read_manifest(repository)
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path) == manifest


def test_it_lists_every_file_with_its_hash(repository: Path) -> None:
    entries = {entry.path: entry for entry in read_manifest(repository).files}
    for path in repository_files(repository):
        entry = entries.pop(path.relative_to(repository).as_posix())
        assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry.size_bytes == path.stat().st_size
    assert not entries


def test_it_says_what_was_built_from_what(repository: Path) -> None:
    manifest = read_manifest(repository)
    assert manifest.recipe["name"] == "small"
    assert len(manifest.models["encoder"].fingerprint) == 64
    assert manifest.models["generator"].precision == "fp32"
    assert manifest.graphs["encoder"]["opset"]["ai.onnx"] >= 21
    assert manifest.graphs["encoder"]["buckets"] == [8, 16, 32, 64, 128, 180]
    assert manifest.quality["generator"]["kl"] < 1e-5
    assert manifest.quality["encoder"]["to_torch"]["least"] > 0.9999
    assert manifest.corpus["repetitions"] == 1
    assert {"python", "onnxruntime", "torch", "transformers"} <= set(manifest.versions)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 99}', "format 99"),
        ('{"format": 1}', "is damaged"),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RepositoryError, match=said):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="triton-rag build"):
        read_manifest(tmp_path)


def test_it_is_plain_json(repository: Path) -> None:
    assert json.loads((repository / "manifest.json").read_text())["format"] == 1
