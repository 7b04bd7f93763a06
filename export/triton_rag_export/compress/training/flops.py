"""How many floating-point operations a training takes, counted by torch itself.

Counting slows a step down, and what it gives depends on shapes alone: each set of shapes is counted once.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch


class FlopMeter:
    """Operations of forward and backward passes, by the shapes of their batches.

    Attributes:
        last: of the last block.
        total: of all blocks.
    """

    def __init__(self) -> None:
        self.last = 0.0
        self.total = 0.0
        self._known: dict[tuple[Any, ...], float] = {}

    @contextmanager
    def counting(self, batch: Mapping[str, Any]) -> Iterator[None]:
        """Count what the block computes; `last` then has its operations.

        Args:
            batch: what the block reads; its tensors' shapes decide how much it computes.
        """
        from torch.utils.flop_counter import FlopCounterMode

        shapes = tuple(
            (name, *value.shape) for name, value in batch.items() if isinstance(value, torch.Tensor)
        )
        if shapes in self._known:
            yield
        else:
            with FlopCounterMode(display=False) as counter:
                yield
            self._known[shapes] = float(counter.get_total_flops())
        self.last = self._known[shapes]
        self.total += self.last
