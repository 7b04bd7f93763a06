"""Ctrl-C and its relatives, counted instead of thrown: the first asks to stop, the second insists."""

import signal
from types import FrameType, TracebackType
from typing import Self

__all__ = ["StopSignals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """A context manager that counts the signals by which a process is asked to stop.

    A signal that is ignored already stays so: that is what `nohup` is for.

    Attributes:
        count: How many came since it was entered.
        last: The one that came last, or None.
    """

    def __init__(self) -> None:
        self.count = 0
        self.last: signal.Signals | None = None
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self._former = {
            number: signal.signal(number, self._note)
            for number in _SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave, it takes

    @property
    def exit_code(self) -> int:
        """The shell's code for a process that the last signal ended."""
        return 128 + self.last if self.last is not None else 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self.last = signal.Signals(number)
