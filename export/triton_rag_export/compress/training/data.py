"""Examples, and the order in which a training sees them.

The order of an epoch depends on the seed and the epoch's number alone. Where lengths are given, examples of
similar length share a batch, so that little is padded: shuffled examples are sorted by length within
windows of many batches, and the batches are shuffled again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from triton_rag_export.errors import TrainingError

Example = TypeVar("Example")
Batch = Mapping[str, Any]
"""What a collate function gives: tensors by name."""

WINDOW_BATCHES = 50
SHOWN_IDS = 20


@dataclass(frozen=True, slots=True)
class TrainingData(Generic[Example]):
    """What is learned from.

    Attributes:
        examples: the examples.
        collate: makes one padded batch of tensors from some of them.
        ids: a name for each, by which errors speak of them; default their numbers.
        lengths: in tokens; examples of similar length then share a batch. Default: no matter.

    Raises:
        TrainingError: there is no example, or one of length 0; names it.
        ValueError: as many ids or lengths as examples are needed.
    """

    examples: Sequence[Example]
    collate: Callable[[Sequence[Example]], Batch]
    ids: Sequence[str] = field(default=())
    lengths: Sequence[int] = field(default=())

    def __post_init__(self) -> None:
        if not len(self.examples):
            raise TrainingError("there is no example to train on; give some")
        for name, values in (("ids", self.ids), ("lengths", self.lengths)):
            if len(values) and len(values) != len(self.examples):
                raise ValueError(
                    f"{name} has {len(values)} values; allowed: {len(self.examples)}, one an example"
                )
        empty = [row for row, length in enumerate(self.lengths) if length < 1]
        if empty:
            raise TrainingError(
                f"{len(empty)} examples are empty: {self.named(empty)}; take them out, or give them text"
            )

    def named(self, rows: Sequence[int]) -> str:
        """The ids of some examples, the first few of many, for a message."""
        names = [str(self.ids[row] if len(self.ids) else row) for row in rows[:SHOWN_IDS]]
        more = f" and {len(rows) - SHOWN_IDS} more" if len(rows) > SHOWN_IDS else ""
        return ", ".join(names) + more

    def batch(self, rows: Sequence[int]) -> Batch:
        """The examples of these numbers, collated."""
        return self.collate([self.examples[row] for row in rows])


class BatchOrder:
    """Which examples are in the batch of which step.

    Args:
        count: how many examples there are.
        batch_size: examples a batch; an epoch's last, smaller batch is left out, other examples each time.
        seed: of the shuffling.
        lengths: of the examples, or none.

    Raises:
        TrainingError: fewer examples than a batch has.
    """

    def __init__(self, count: int, batch_size: int, seed: int, lengths: Sequence[int] = ()) -> None:
        if count < batch_size:
            raise TrainingError(
                f"batch_size is {batch_size}; allowed: at most {count}, as many examples as there are"
            )
        self._count, self._batch_size, self._seed = count, batch_size, seed
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._epoch = lru_cache(maxsize=1)(self._order_of)

    @property
    def batches_an_epoch(self) -> int:
        """Batches of one pass over the examples."""
        return self._count // self._batch_size

    def rows(self, step: int) -> list[int]:
        """The numbers of the examples in the batch of a step, counted from 0."""
        epoch, batch = divmod(step, self.batches_an_epoch)
        return self._epoch(epoch)[batch].tolist()  # type: ignore[no-any-return]

    def _order_of(self, epoch: int) -> npt.NDArray[np.int64]:
        """The batches of an epoch, (batches, batch size)."""
        random = np.random.default_rng([self._seed, epoch])
        batches, size = self.batches_an_epoch, self._batch_size
        order = random.permutation(self._count)[: batches * size]
        if not len(self._lengths):
            return order.reshape(batches, size)
        window = WINDOW_BATCHES * size
        by_length = [
            part[np.argsort(self._lengths[part], kind="stable")]
            for part in (order[start : start + window] for start in range(0, len(order), window))
        ]
        return np.concatenate(by_length).reshape(batches, size)[random.permutation(batches)]
