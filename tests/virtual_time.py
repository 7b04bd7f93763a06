"""An event loop with a clock of its own: it does not wait, it sets the clock on to the next thing to do.

What takes an hour of its time is over at once and is the same on every machine, so that a test can check by
arithmetic what a load generator measures.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["VirtualTimeLoop", "run_virtually"]

Result = TypeVar("Result")


class _NoWaiting(selectors.SelectSelector):
    """Sets the clock of its loop on by what it should wait."""

    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everything waits for something that will never come")
        self.loop.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its time starts at 0.

    Attributes:
        now_s: Its time; what sets it on without awaiting keeps everything else waiting, as computing does.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        selector = _NoWaiting()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s


def run_virtually(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run it on such a loop."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)
