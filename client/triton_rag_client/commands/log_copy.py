"""Copies a growing log to standard error, from before its program starts until after it has ended."""

from __future__ import annotations

import codecs
import os
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["LogCopy"]

_LOOK_EVERY_S = 0.2


class LogCopy:
    """A context manager that copies what is written to a file while it is entered, to the last byte.

    One handle stays open, so that only what is new is read, and so that the rest of a file that has been
    moved away, as when a server starts again, is not lost.

    Args:
        path: The file; it may not exist yet. What it holds already is not copied.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: BinaryIO | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log-copy", daemon=True)

    def __enter__(self) -> Self:
        self._handle = self._opened()
        if self._handle is not None:
            self._handle.seek(0, os.SEEK_END)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._copy()
        if self._handle is not None:
            self._handle.close()

    def _follow(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            self._copy()

    def _copy(self) -> None:
        """Copy what is new, in the file that is open and then in the one that took its place."""
        self._copy_handle()
        if self._is_replaced():
            if self._handle is not None:
                self._handle.close()
            self._handle = self._opened()
            self._copy_handle()
        sys.stderr.flush()

    def _copy_handle(self) -> None:
        if self._handle is None:
            return
        if os.fstat(self._handle.fileno()).st_size < self._handle.tell():  # it was emptied
            self._handle.seek(0)
        while piece := self._handle.read(2**16):
            sys.stderr.write(self._decoder.decode(piece))

    def _is_replaced(self) -> bool:
        try:
            there = self._path.stat()
        except OSError:
            return False  # not yet, or moved away and not written anew
        return self._handle is None or not os.path.samestat(os.fstat(self._handle.fileno()), there)

    def _opened(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except OSError:
            return None
