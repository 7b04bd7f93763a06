"""The output folder: filled beside its place and renamed, so that it is whole or as it was before."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from triton_rag_export.build.workplace import moved_aside, workplace
from triton_rag_export.errors import BuildError
from triton_rag_export.repository import MANIFEST_FILE


def check_output(
    out: Path, mark: str = MANIFEST_FILE, what: str = "a repository that triton-rag built"
) -> None:
    """Make sure that a build may write to `out`.

    Args:
        out: the folder.
        mark: the file by which an older one of ours is known.
        what: that one, in words.

    Raises:
        BuildError: it is a file, a mount point, or a folder with other things than an older one.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise BuildError(f"{out} is a file: name a folder with --out")
    if out.is_mount():
        raise BuildError(
            f"{out} is a mount point, which cannot be replaced: name a folder in it with --out, such as "
            f"{out / 'repository'}"
        )
    if any(out.iterdir()) and not (out / mark).is_file():
        raise BuildError(
            f"{out} is not empty and not {what} (no {mark}): name another folder with --out, or empty it"
        )


@contextmanager
def new_folder(
    out: Path, mark: str = MANIFEST_FILE, what: str = "a repository that triton-rag built"
) -> Iterator[Path]:
    """A temporary folder beside `out` that takes its place when the block ends well, else goes away.

    An older repository at `out` is moved aside first and removed last; if the second rename fails, it is
    moved back.

    Args:
        out: the folder.
        mark: the file by which an older one of ours is known.
        what: that one, in words.

    Raises:
        BuildError: the folder above cannot be written, or the older repository cannot be moved.
    """
    out = out.resolve()
    with ExitStack() as stack:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            filled = stack.enter_context(workplace(out))
        except OSError as error:
            raise BuildError(
                f"{out.parent} cannot be written ({error}): name another folder with --out"
            ) from error
        yield filled
        check_output(out, mark, what)
        _exchange(filled, out)


def place_file(source: Path, target: Path) -> None:
    """Put a file of the cache into a repository: as a hard link, or as a copy on another file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _exchange(filled: Path, out: Path) -> None:
    old = moved_aside(filled)
    try:
        if out.exists():
            out.rename(old)
        filled.rename(out)
    except OSError as error:
        if old.exists() and not out.exists():
            old.rename(out)
        raise BuildError(f"{out} cannot be replaced ({error}): remove it and build again") from error
    shutil.rmtree(old, ignore_errors=True)
