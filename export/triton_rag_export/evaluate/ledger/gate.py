"""The gate: what a step may lose, and what it must bring, measured against its parent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from triton_rag_export.evaluate.ledger.row import TEACHERS_INDEX, Failure, Goal, LedgerRow


@dataclass(frozen=True, slots=True)
class Gate:
    """What the recipe allows.

    Attributes:
        most_loss: by measure, the share of the parent's figure that a step may lose, 0 to 1.
        least_speedup: of a step that is to be faster: its throughput over the parent's.
        least_shrink: of a step that is to be smaller: the parent's bytes over its own.
        teachers_index: judge an encoder where its queries search the index of another, as it will serve,
            instead of its own.
    """

    most_loss: Mapping[str, float]
    least_speedup: float = 1.0
    least_shrink: float = 1.0
    teachers_index: bool = False


def failures(row: LedgerRow, parent: LedgerRow | None, gate: Gate) -> tuple[Failure, ...]:
    """What the gate does not allow of a step; the original, which has no parent, always passes.

    Args:
        row: the step.
        parent: the row that it names as its parent.
        gate: what is allowed.
    """
    if parent is None or row.against_parent is None:
        return ()
    return (*_unjudged(row, gate), *_losses(row, parent, gate), *_missed_goals(row, gate))


def _unjudged(row: LedgerRow, gate: Gate) -> Iterator[Failure]:
    """A gate that bounds losses and finds no figure that it could bound."""
    bounded = [measure for measure, allowed in gate.most_loss.items() if allowed < 1]
    found = (measures for _, measures in _judged(row, gate))
    if bounded and not any(measure in measures for measures in found for measure in bounded):
        where = (
            f"{TEACHERS_INDEX}, where vectors have to be as long as its own" if gate.teachers_index else ""
        )
        yield Failure(
            "quality",
            f"{', '.join(bounded)} of {row.step!r} were measured on no data set{where}; name a folder of "
            "judged data sets as data of [ledger], or allow every loss with 1.0",
        )


def _judged(row: LedgerRow, gate: Gate) -> Iterator[tuple[str, Mapping[str, float]]]:
    for data_set, measures in row.quality.items():
        if data_set.endswith(TEACHERS_INDEX) == gate.teachers_index:
            yield data_set, measures


def _losses(row: LedgerRow, parent: LedgerRow, gate: Gate) -> Iterator[Failure]:
    for data_set, measures in _judged(row, gate):
        before = parent.quality.get(data_set, {})
        for measure, allowed in gate.most_loss.items():
            if measure not in measures or before.get(measure, 0.0) <= 0.0:
                continue
            loss = 1 - measures[measure] / before[measure]
            if loss > allowed:
                yield Failure(
                    f"{measure} on {data_set}",
                    f"{measure} on {data_set} is {measures[measure]:.4f}, {loss:.1%} less than the "
                    f"{before[measure]:.4f} before; allowed: {allowed:.1%} less; "
                    f"missed by {loss - allowed:.1%}",
                )


def _missed_goals(row: LedgerRow, gate: Gate) -> Iterator[Failure]:
    found = row.against_parent
    if found is None:
        return
    goals: Mapping[Goal, tuple[str, float, float]] = {
        "faster": ("throughput", found.throughput, gate.least_speedup),
        "smaller": ("bytes on disk", 1 / found.graph_bytes, gate.least_shrink),
    }
    for goal in row.goals:
        figure, factor, least = goals[goal]
        if factor < least:
            yield Failure(
                figure,
                f"{figure}: {factor:.2f} times as {'fast' if goal == 'faster' else 'small'} as before, "
                f"though the step is to make it {goal}; allowed: at least {least:g} times; "
                f"missed by {1 - factor / least:.1%}",
            )
