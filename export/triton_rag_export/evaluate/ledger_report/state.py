"""What a ledger says of the models now: the last row of each, and the steps that led to it.

Times of different runs are not compared. A step's latency and throughput relative to the original are
products of the ratios along its steps, each of which was measured in turns in one run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triton_rag_export.errors import LedgerError
from triton_rag_export.evaluate.ledger.row import ANSWERS, RETRIEVAL, Kind, LedgerRow


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a model's way.

    Attributes:
        row: of the ledger.
        latency: over the original's; below 1 is faster.
        throughput: over the original's; above 1 is faster.
        graph_bytes: over the original's; below 1 is smaller.
    """

    row: LedgerRow
    latency: float
    throughput: float
    graph_bytes: float


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model of a recipe.

    Attributes:
        recipe: its name.
        kind: of model.
        stages: from the original to the last step.
        left: precisions that were measured in place of the last step and not chosen.
    """

    recipe: str
    kind: Kind
    stages: tuple[Stage, ...]
    left: tuple[LedgerRow, ...] = ()

    @property
    def title(self) -> str:
        """Recipe and kind."""
        return f"{self.recipe}: {self.kind}"

    @property
    def measure(self) -> str:
        """The measure that stands for all in plots and tables."""
        return RETRIEVAL[0] if self.kind == "encoder" else ANSWERS[1]

    @property
    def data_sets(self) -> tuple[str, ...]:
        """What its stages were judged on, in order."""
        return tuple(dict.fromkeys(name for stage in self.stages for name in stage.row.quality))


@dataclass(frozen=True, slots=True)
class LedgerState:
    """All models of a ledger.

    Attributes:
        models: in the order of their last rows.
        rows: how many the ledger has in all.
    """

    models: tuple[ModelState, ...]
    rows: int

    @property
    def failures(self) -> tuple[str, ...]:
        """What gates did not allow, one line each."""
        return tuple(
            f"{model.title} after {stage.row.step!r}: {failure.message}"
            for model in self.models
            for stage in model.stages
            for failure in stage.row.failures
        )


def ledger_state(rows: Sequence[LedgerRow]) -> LedgerState:
    """The state that rows lead to.

    Args:
        rows: of a ledger, the oldest first.

    Raises:
        LedgerError: there are none, or one names a parent that is not among them.
    """
    by_key = {row.key: row for row in rows}
    last = {(row.recipe, row.kind): row for row in rows if row.is_chosen}
    if not last:
        raise LedgerError("the ledger has no rows: run triton-rag compress first")
    models = [
        ModelState(row.recipe, row.kind, _stages(row, by_key), _left(row, by_key)) for row in last.values()
    ]
    return LedgerState(tuple(models), len(rows))


def _left(last: LedgerRow, by_key: Mapping[str, LedgerRow]) -> tuple[LedgerRow, ...]:
    """What was measured from the same model: beside the last step, or after it where nothing was chosen."""
    return tuple(
        row for row in by_key.values() if not row.is_chosen and row.parent in (last.key, last.parent)
    )


def _stages(row: LedgerRow, by_key: Mapping[str, LedgerRow]) -> tuple[Stage, ...]:
    chain = [row]
    while (parent := chain[-1].parent) is not None:
        if parent not in by_key or len(chain) > len(by_key):
            raise LedgerError(
                f"the row {chain[-1].key} ({chain[-1].kind}, {chain[-1].step!r}) has the parent {parent}, "
                "which is not in the ledger: take the ledger's copy, or compress into a new one"
            )
        chain.append(by_key[parent])
    stages: list[Stage] = []
    for step in reversed(chain):
        before, found = stages[-1] if stages else None, step.against_parent
        if before is None or found is None:
            stages.append(Stage(step, 1.0, 1.0, 1.0))
        else:
            stages.append(
                Stage(
                    step,
                    before.latency * found.latency,
                    before.throughput * found.throughput,
                    before.graph_bytes * found.graph_bytes,
                )
            )
    return tuple(stages)
