"""The manifest: what a repository was built from, with what, how good it is, and the hash of every file.

It lies at the root of the repository as `manifest.json`; Triton reads folders there and leaves files alone
(tried with tritonserver 2.51).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from triton_rag_export.errors import RepositoryError

MANIFEST_FILE = "manifest.json"
FORMAT = 1
_NOT_OURS = {"__pycache__"}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the repository."""

    path: str
    """Relative to the repository, with slashes."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that a build started from."""

    name: str
    """As the recipe names it."""
    fingerprint: str
    """SHA-256 over its weights and tokenizer."""
    precision: str
    """Of the graph that was exported."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a repository was built from."""

    recipe: Mapping[str, Any]
    models: Mapping[str, ModelEntry]
    """`encoder` and, where the recipe has one, `generator`."""
    corpus: Mapping[str, Any]
    """Counts and fingerprint of the passages."""
    graphs: Mapping[str, Any]
    """Opset, buckets and what the exporters report."""
    quality: Mapping[str, Any]
    """How close the graphs are to their models, and what retrieval scores."""
    speed: Mapping[str, Any]
    """What was timed while building, on the machine that built."""
    versions: Mapping[str, str]
    """Python and the libraries that had a hand in it."""
    files: tuple[FileEntry, ...]
    """Every file but the manifest itself."""
    format: int = FORMAT


def write_manifest(manifest: Manifest, repository: Path) -> None:
    """Write `manifest.json` into a repository."""
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False, sort_keys=False)
    (repository / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(repository: Path) -> Manifest:
    """Read a repository's manifest.

    Raises:
        RepositoryError: it is missing, damaged, or of another format.
    """
    path = repository / MANIFEST_FILE
    if not path.is_file():
        raise RepositoryError(
            f"{path} is missing: {repository} is not a repository that `triton-rag build` wrote; "
            "build one with `triton-rag build RECIPE --out DIR`"
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise RepositoryError(
                f"{path}: format {data['format']}, but this triton-rag reads format {FORMAT}; build it again"
            )
        models = {role: ModelEntry(**entry) for role, entry in data.pop("models").items()}
        files = tuple(FileEntry(**entry) for entry in data.pop("files"))
        return Manifest(models=models, files=files, **data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RepositoryError(f"{path} is damaged ({error}): build the repository again") from error


def repository_files(repository: Path) -> Iterator[Path]:
    """Every file of a repository but the manifest and Python's caches, in a fixed order."""
    for path in sorted(repository.rglob("*")):
        relative = path.relative_to(repository)
        if path.is_file() and relative != Path(MANIFEST_FILE) and not _NOT_OURS.intersection(relative.parts):
            yield path


def file_entries(repository: Path) -> tuple[FileEntry, ...]:
    """Size and hash of every file of a repository."""
    return tuple(
        FileEntry(path.relative_to(repository).as_posix(), path.stat().st_size, sha256_of(path))
        for path in repository_files(repository)
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
