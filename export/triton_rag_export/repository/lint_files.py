"""Check that the files of a repository are those of its manifest: there, and with the same content."""

from collections.abc import Iterator
from pathlib import Path

from triton_rag_export.errors import RepositoryError
from triton_rag_export.repository.findings import REBUILD, RESTORE, Finding
from triton_rag_export.repository.manifest import (
    MANIFEST_FILE,
    FileEntry,
    read_manifest,
    repository_files,
    sha256_of,
)


def check_files(repository: Path) -> Iterator[Finding]:
    """Files that are missing, changed, or unknown to the manifest."""
    try:
        manifest = read_manifest(repository)
    except RepositoryError as error:
        yield Finding(Path(MANIFEST_FILE), f"cannot be used ({error})", REBUILD)
        return
    for entry in manifest.files:
        yield from _check_file(repository, entry)
    listed = {entry.path for entry in manifest.files}
    for path in repository_files(repository):
        relative = path.relative_to(repository)
        if len(relative.parts) > 1 and relative.as_posix() not in listed:
            yield Finding(relative, "is not in the manifest", f"remove it, or {REBUILD}")


def _check_file(repository: Path, entry: FileEntry) -> Iterator[Finding]:
    path = repository / entry.path
    if not path.is_file():
        yield Finding(Path(entry.path), "is missing", RESTORE)
        return
    size_bytes = path.stat().st_size
    if size_bytes != entry.size_bytes:
        problem = f"has changed: {size_bytes} bytes, the manifest says {entry.size_bytes}"
    elif (digest := sha256_of(path)) != entry.sha256:
        problem = f"has changed: SHA-256 {digest[:12]}…, the manifest says {entry.sha256[:12]}…"
    else:
        return
    yield Finding(Path(entry.path), problem, "undo the change, or build the repository again")
