"""The output folder: filled beside its place and renamed, so that it is whole or as it was before."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triton_rag_export.errors import BuildError
from triton_rag_export.repository import MANIFEST_FILE


def check_output(out: Path) -> None:
    """Make sure that a build may write to `out`.

    Raises:
        BuildError: it is a file, or a folder with other things than a repository of ours.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise BuildError(f"{out} is a file: name a folder for the repository with --out")
    if any(out.iterdir()) and not (out / MANIFEST_FILE).is_file():
        raise BuildError(
            f"{out} is not empty and not a repository that triton-rag built (no {MANIFEST_FILE}): "
            "name another folder with --out, or empty it"
        )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that takes its place when the block ends well, else goes away.

    An older repository at `out` is moved aside first and removed last; if the second rename fails, it is
    moved back.

    Raises:
        BuildError: the folder above cannot be written.
    """
    out = out.resolve()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise BuildError(
            f"{out.parent} cannot be written ({error}): name another folder with --out"
        ) from error
    try:
        workplace.chmod(0o755)
        yield workplace
        check_output(out)
        _exchange(workplace, out)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def place_file(source: Path, target: Path) -> None:
    """Put a file of the cache into a repository: as a hard link, or as a copy on another file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _exchange(workplace: Path, out: Path) -> None:
    old = workplace.with_name(workplace.name + ".old")
    if out.exists():
        out.rename(old)
    try:
        workplace.rename(out)
    except OSError as error:
        if old.exists():
            old.rename(out)
        raise BuildError(f"{out} cannot be replaced ({error}): remove it and build again") from error
    shutil.rmtree(old, ignore_errors=True)
