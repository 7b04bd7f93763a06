"""The memory of an encoder-decoder model: the sources of all slots, and steps bound to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from generation.adapter import SlotRows
from generation.causal_binding import Caches, StepBinding, StepShape


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """What the decoder attends to.

    Attributes:
        caches: cross-attention keys and values of all slots.
        lengths: tokens of each slot's source, (slots,); 0 before the first.
    """

    caches: Caches
    lengths: npt.NDArray[np.int32]

    def encode(self, session: ort.InferenceSession, slot: int, token_ids: Sequence[int]) -> None:
        """Run the encoder over a source, straight into its slot.

        Args:
            session: the encoder's graph.
            slot: which slot.
            token_ids: the source, not empty and not longer than the caches.
        """
        source = np.array(token_ids, np.int64)
        binding = session.io_binding()
        binding.bind_input("token_ids", "cpu", 0, source.dtype, source.shape, source.ctypes.data)
        _bind_in_place(binding, self.caches, slot, 1)
        session.run_with_iobinding(binding)
        self.lengths[slot] = len(token_ids)


class DecoderStepBinding(StepBinding):
    """Inputs and outputs for decoder steps of one shape, bound to a session.

    Args:
        session: the decoder's graph.
        caches: of self-attention, bound in place, as past and as present.
        sources: bound in place too.
        shape: of the steps.
        vocabulary_size: the width of the logits.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        caches: Caches,
        sources: Sources,
        shape: StepShape,
        vocabulary_size: int,
    ) -> None:
        super().__init__(session, caches, shape, vocabulary_size)
        self._sources = sources
        self._positions = np.zeros(shape.rows, np.int64)
        self._source_lengths = np.zeros(shape.slots, np.int32)
        self._source_capacity = np.array(sources.caches.positions, np.int32)
        inputs: dict[str, npt.NDArray[Any]] = {
            "positions": self._positions,
            "source_lengths": self._source_lengths,
            "source_capacity": self._source_capacity,
        }
        for name, array in inputs.items():
            self.io_binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        _bind_in_place(self.io_binding, sources.caches, shape.first_slot, shape.slots)

    def fill(self, rows: Sequence[SlotRows]) -> None:
        """Write a step's tokens, and where they belong, into the inputs."""
        super().fill(rows)
        places = [np.arange(share.past, share.past + len(share.token_ids)) for share in rows]
        self._positions[:] = np.concatenate(places)
        first = self._shape.first_slot
        self._source_lengths[:] = self._sources.lengths[first : first + self._shape.slots]


def _bind_in_place(binding: ort.IOBinding, caches: Caches, first_slot: int, slots: int) -> None:
    for name, array in caches.named():
        shape = (slots, *array.shape[1:])
        address = array.ctypes.data + first_slot * array.strides[0]
        binding.bind_input(f"past_cross_{name}", "cpu", 0, array.dtype, shape, address)
        binding.bind_output(f"present_cross_{name}", "cpu", 0, array.dtype, shape, address)
