"""What a person sees while a server starts: a bar in a terminal, a line a model anywhere else."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from triton_rag_server import StartProgress

__all__ = ["StartDisplay"]


class StartDisplay:
    """A context manager whose `show` takes the progress of `TritonServer`.

    Attributes:
        elapsed_s: Seconds since it was entered.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("models"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None)
        self._last = StartProgress("")
        self._began_s = time.monotonic()

    def __enter__(self) -> Self:
        self._began_s = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the display; ending it twice is harmless."""
        self._bar.stop()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the display was entered."""
        return time.monotonic() - self._began_s

    def show(self, progress: StartProgress) -> None:
        """Show how far the start has come."""
        last, self._last = self._last, progress
        self._bar.update(
            self._task,
            description=progress.step,
            completed=len(progress.loaded),
            total=len(progress.models) or None,
        )
        if not self._console.is_terminal:
            if progress.step != last.step and progress.step != "ready":
                self._say(progress.step)
            for number, model in enumerate(progress.loaded, start=1):
                if model not in last.loaded:
                    self._say(f"loaded {model} ({number} of {len(progress.models)})")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
