"""How fast a step's graph is, beside its parent's."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from triton_rag_export.evaluate.ledger.contender import Contender, in_turns
from triton_rag_export.evaluate.ledger.row import Speed
from triton_rag_export.evaluate.ledger.workload import Turn, Workload


def time_alone(name: str, workload: Workload, turns: int) -> Speed:
    """Time a model that has no parent.

    Raises:
        EvaluationError: its process failed.
    """
    with Contender(name, workload) as contender:
        (taken,) = in_turns([contender], turns)
        return _speed(taken, contender.peak_memory_bytes())


def time_beside_parent(
    name: str, workload: Workload, parent: Workload, turns: int
) -> tuple[Speed, Speed, float, float]:
    """Time a step and its parent in turns.

    Args:
        name: of the step.
        workload: of the step.
        parent: the same work with the parent's graph.
        turns: of each, at least 1.

    Returns:
        The step's speed, the parent's speed, and the medians over the turns of the step's latency and
        throughput over the parent's.

    Raises:
        EvaluationError: a process failed.
    """
    with ExitStack() as stack:
        ours = stack.enter_context(Contender(name, workload))
        theirs = stack.enter_context(Contender(f"the parent of {name}", parent))
        found, before = in_turns([ours, theirs], turns)
        return (
            _speed(found, ours.peak_memory_bytes()),
            _speed(before, theirs.peak_memory_bytes()),
            _median_ratio([_latency(turn) for turn in found], [_latency(turn) for turn in before]),
            _median_ratio([turn.throughput for turn in found], [turn.throughput for turn in before]),
        )


def _speed(turns: Sequence[Turn], peak_memory_bytes: int) -> Speed:
    latencies = np.array([latency for turn in turns for latency in turn.latencies_ms])
    p50, p95 = np.percentile(latencies, [50, 95])
    throughput = statistics.median(turn.throughput for turn in turns)
    return Speed(round(float(p50), 3), round(float(p95), 3), round(throughput, 1), peak_memory_bytes)


def _latency(turn: Turn) -> float:
    return statistics.median(turn.latencies_ms)


def _median_ratio(found: Sequence[float], before: Sequence[float]) -> float:
    """Turn by turn: neighbours in time met the same machine."""
    return round(statistics.median(a / b for a, b in zip(found, before, strict=True)), 4)
