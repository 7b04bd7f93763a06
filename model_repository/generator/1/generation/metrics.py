"""Publishes what an engine does on its server's metrics endpoint.

A metric of Triton's Python backend is changed by a message to another process, so that none is sent from the
engine's steps: a thread of its own sends what has changed once a second, and nothing while nothing changes.
Counters only grow; what was not published by the last look before the end is lost.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from generation.engine import Engine

logger = logging.getLogger(__name__)

PREFIX = "triton_rag_generator_"

COUNTERS = {
    "steps": "runs of the model",
    "prompt_tokens": "tokens of prompts that got a slot",
    "reused_tokens": "tokens of prompts that a cache held already",
    "answer_tokens": "tokens generated",
    "drafted_tokens": "guessed tokens sent to be verified",
    "accepted_tokens": "tokens that a step gave beyond its first, since guesses were right",
    "cancelled_requests": "requests whose client went away",
    "late_requests": "requests that ran out of time",
    "failed_requests": "requests that a failing step ended",
    "first_tokens": "answers that have begun",
    "first_token_seconds": "seconds from requests to their first tokens, waiting included, added up",
    "later_tokens": "tokens after the first of their answers",
    "later_token_seconds": "seconds that these took, added up",
}
"""The fields of `Counters`, and what each counts."""

GAUGES: dict[str, tuple[str, Callable[[Engine], float]]] = {
    "slots": ("answers that can be generated at the same time", lambda engine: engine.settings.slots),
    "running_requests": ("requests that have a slot", lambda engine: engine.running),
    "waiting_requests": (
        "requests that wait for a slot",
        lambda engine: max(engine.in_flight - engine.running, 0),
    ),
    "cache_bytes": ("memory of all slots' caches", lambda engine: engine.cache_bytes),
}


class Metric(Protocol):
    """One number on the endpoint."""

    def increment(self, value: float) -> None:
        """Add to a counter."""

    def set(self, value: float) -> None:
        """Set a gauge."""


class MetricsPublisher:
    """A thread that publishes an engine's numbers.

    Args:
        engine: whose.
        family: the class `MetricFamily` of Triton's Python backend, or one like it.
        interval_s: how often to look, in seconds.
    """

    def __init__(self, engine: Engine, family: Any, interval_s: float = 1.0) -> None:
        self._engine = engine
        self._interval_s = interval_s
        # A metric ends with its family, so both are kept.
        self._families = {
            **{name: _family(family, name, text, family.COUNTER) for name, text in COUNTERS.items()},
            **{name: _family(family, name, text, family.GAUGE) for name, (text, _) in GAUGES.items()},
        }
        self._metrics: dict[str, Metric] = {
            name: each.Metric(labels={}) for name, each in self._families.items()
        }
        self._published = dict.fromkeys(self._metrics, 0.0)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="generation-metrics", daemon=True)
        self._thread.start()

    def publish(self) -> None:
        """Send what has changed since the last time."""
        for name in COUNTERS:
            total = float(getattr(self._engine.counters, name))
            if total > self._published[name]:
                self._metrics[name].increment(total - self._published[name])
                self._published[name] = total
        for name, (_, read) in GAUGES.items():
            value = float(read(self._engine))
            if value != self._published[name]:
                self._metrics[name].set(value)
                self._published[name] = value

    def close(self) -> None:
        """Stop the thread and end the metrics: left to the end of the process, they crash its stub."""
        self._is_closed.set()
        self._thread.join()
        self._metrics.clear()
        self._families.clear()

    def _loop(self) -> None:
        while not self._is_closed.wait(self._interval_s):
            try:
                self.publish()
            except Exception:
                logger.warning("metrics could not be published", exc_info=True)


def _family(family: Any, name: str, text: str, kind: Any) -> Any:
    suffix = "_total" if kind == family.COUNTER else ""
    return family(name=f"{PREFIX}{name}{suffix}", description=text, kind=kind)
