"""A folder that is filled beside its place and renamed, and what killed builds left of theirs.

A build that is killed cannot remove its workplace. Each workplace is therefore locked by the process that
fills it, with a lock that ends with the process: one without a lock belongs to nobody.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = ".building-"
LEAST_AGE_S = 60.0
"""A younger folder is left alone: it may be about to be locked."""


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, to be renamed to it; what is left of it at the end is removed.

    Leftovers of other builds beside `target` are removed first.

    Args:
        target: a path in an existing folder.

    Raises:
        OSError: the folder cannot be made.
    """
    _remove_leftovers(target.parent)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}{MARK}", dir=target.parent))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.chmod(0o755)
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def moved_aside(folder: Path) -> Path:
    """Where what a workplace replaces is kept while the two change places."""
    return folder.with_name(folder.name + ".old")


def _remove_leftovers(parent: Path) -> None:
    for folder in parent.glob(f".*{MARK}*"):
        name = folder.name[1:].partition(MARK)[0]
        if folder.name.endswith(".old") and not (parent / name).exists():
            continue  # killed while the two changed places: this is the older repository
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        if time.time() - folder.stat().st_mtime < LEAST_AGE_S:
            return False
        lock = os.open(folder, os.O_RDONLY)
    except OSError:  # gone in the meantime, or not ours
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True
