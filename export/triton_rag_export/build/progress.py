"""How a build tells what it is doing. The command line draws bars, a test listens in silence."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class BuildProgress(Protocol):
    """Who wants to know how a build goes."""

    def started(self, step: str) -> None:
        """A step begins."""

    def advanced(self, step: str, done: int, total: int | None, note: str) -> None:
        """A step has done so many of its units; `note` says in words how fast."""

    def finished(self, step: str, seconds: float, note: str) -> None:
        """A step has ended; `note` says what came out."""


class SilentProgress:
    """Tells nobody."""

    def started(self, step: str) -> None:
        """Nothing."""

    def advanced(self, step: str, done: int, total: int | None, note: str) -> None:
        """Nothing."""

    def finished(self, step: str, seconds: float, note: str) -> None:
        """Nothing."""


class StepProgress:
    """One running step: what it reports while it works, and what it leaves as its note."""

    def __init__(self, progress: BuildProgress, step: str) -> None:
        self.note = ""
        self._progress = progress
        self._step = step
        self._started_s = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the step has run."""
        return time.monotonic() - self._started_s

    def advance(self, done: int, total: int | None, note: str = "") -> None:
        """Report how far the step is."""
        self._progress.advanced(self._step, done, total, note)


@contextmanager
def step(progress: BuildProgress, name: str) -> Iterator[StepProgress]:
    """Report the begin and the end of a step around the block."""
    progress.started(name)
    running = StepProgress(progress, name)
    yield running
    progress.finished(name, running.seconds, running.note)
