"""The build in a terminal: a bar for the step that runs, a line for each that is done."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from triton_rag_export.recipe import Recipe


class BuildDisplay:
    """Shows a build; use it as a context manager.

    Args:
        console: where; default standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def started(self, step: str) -> None:
        """Draw a bar for the step."""
        self._remove_bar()
        self._task = self._bars.add_task(step, total=None, note="")

    def advanced(self, step: str, done: int, total: int | None, note: str) -> None:
        """Move the bar."""
        if self._task is not None:
            count = f"{done:,}/{total:,}" if total is not None else f"{done:,}"
            self._bars.update(self._task, completed=done, total=total, note=f"{count}  {note}")

    def finished(self, step: str, seconds: float, note: str) -> None:
        """Put a line in the bar's place."""
        self._remove_bar()
        self._console.print(
            f"{seconds:7.1f} s  {step}{': ' + note if note else ''}", markup=False, soft_wrap=True
        )

    def _remove_bar(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


def silence_library_bars(recipe: Recipe) -> None:
    """Keep the bars of transformers off the display, unless they show a download.

    It is told by an environment variable, which counts only before the library is imported.
    """
    models = [recipe.encoder.model, *([recipe.generator.model] if recipe.generator else [])]
    if all(model.startswith("package:") or Path(model).is_absolute() for model in models):
        os.environ.setdefault("TQDM_DISABLE", "1")
