"""The artifact cache: what a step of a build made, kept under a hash of everything that decided it.

The key covers the step's settings, the fingerprints of models and text that went in, the source code of the
modules that make it, and the versions of the libraries they call. A repeated build therefore finds its
artifacts; a changed one remakes what the change touches. An artifact is made in a temporary folder and
renamed, so a folder under a key is always whole. Repositories hold hard links to the files, which are
therefore made read-only; one that was changed nevertheless is noticed by its size and time, and made again.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from triton_rag_export.build.workplace import workplace
from triton_rag_export.errors import BuildError
from triton_rag_export.graph.model_source import RECORD_FILE

CACHE_VARIABLE = "TRITON_RAG_CACHE"
READ_ONLY = 0o444


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a step made.

    Attributes:
        folder: its files; read them, change none.
        key: hash of everything that decided them.
        reused: whether it lay in the cache.
        facts: what the step wants to be remembered, such as measurements.
    """

    folder: Path
    key: str
    reused: bool
    facts: Mapping[str, Any]


class ArtifactCache:
    """Artifacts by content.

    Args:
        folder: where they lie; default `$TRITON_RAG_CACHE/artifacts` or `~/.cache/triton-rag/artifacts`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_cache_folder()

    def get_or_make(
        self, step: str, inputs: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]]
    ) -> Artifact:
        """The artifact of a step, made now unless it lies there.

        Args:
            step: name of the step.
            inputs: everything that decides the result, as JSON values.
            make: fills a folder and returns facts as JSON values; called only when needed.

        Raises:
            BuildError: the cache's folder cannot be written.
        """
        key = key_of(step, inputs)
        folder = self.folder / step / key[:32]
        facts = _facts_if_whole(folder)
        if facts is not None:
            return Artifact(folder, key, True, facts)
        with ExitStack() as stack:
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                filled = stack.enter_context(workplace(folder))
            except OSError as error:
                raise BuildError(
                    f"the cache {self.folder} cannot be written ({error}): "
                    f"set {CACHE_VARIABLE} to a folder that can"
                ) from error
            facts = dict(make(filled))
            _write_record(filled, step, inputs, facts)
            _replace(filled, folder)
        return Artifact(folder, key, False, facts)


def default_cache_folder() -> Path:
    """Where artifacts lie unless told otherwise."""
    root = os.environ.get(CACHE_VARIABLE)
    return (Path(root).expanduser() if root else Path.home() / ".cache" / "triton-rag") / "artifacts"


def key_of(step: str, inputs: Mapping[str, Any]) -> str:
    """SHA-256 over a step's name and inputs, in hexadecimal."""
    text = json.dumps([step, inputs], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def source_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over source files: what the code that makes an artifact was."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """The installed versions of some distributions; those that are missing are left out."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _write_record(folder: Path, step: str, inputs: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        path.chmod(READ_ONLY)
        status = path.stat()
        files[path.relative_to(folder).as_posix()] = [status.st_size, status.st_mtime_ns]
    record = {"step": step, "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "inputs": inputs}
    text = json.dumps({**record, "facts": facts, "files": files}, indent=2, default=str)
    (folder / RECORD_FILE).write_text(text, encoding="utf-8")


def _facts_if_whole(folder: Path) -> Mapping[str, Any] | None:
    """The facts of an artifact whose files are as they were made; None if it is not there."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        for name, expected in record["files"].items():
            status = (folder / name).stat()
            if [status.st_size, status.st_mtime_ns] != expected:
                return None
    except (OSError, ValueError, KeyError):
        return None
    facts: Mapping[str, Any] = record["facts"]
    return facts


def _replace(filled: Path, folder: Path) -> None:
    """Put a finished artifact in its place; when another build was faster, theirs is as good."""
    for _ in range(2):
        try:
            filled.rename(folder)
            return
        except OSError:
            if _facts_if_whole(folder) is not None:
                return
            shutil.rmtree(folder, ignore_errors=True)
    raise BuildError(f"{folder} cannot be replaced: remove it and build again")
