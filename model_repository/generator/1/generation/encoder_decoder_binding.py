"""The memory of an encoder-decoder model: the sources of all slots, and steps bound to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from generation.adapter import SlotRows
from generation.causal_binding import Caches, Stretch, step_inputs


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
        _bind_in_place(binding, self.caches, "cross_", Stretch(slot, 1))
        session.run_with_iobinding(binding)
        self.lengths[slot] = len(token_ids)


class DecoderBinding:
    """The caches of a stretch of slots, and their sources, bound to a session in place.

    Args:
        session: the decoder's graph.
        caches: of self-attention.
        sources: what the decoder attends to.
        stretch: which slots.
    """

    def __init__(
        self, session: ort.InferenceSession, caches: Caches, sources: Sources, stretch: Stretch
    ) -> None:
        self._session = session
        self._stretch = stretch
        self._positions = caches.positions
        self._sources = sources
        self._io_binding = session.io_binding()
        _bind_in_place(self._io_binding, caches, "", stretch)
        _bind_in_place(self._io_binding, sources.caches, "cross_", stretch)

    def run(self, rows: Sequence[SlotRows], logits: npt.NDArray[np.float32]) -> None:
        """Do a step.

        Args:
            rows: of slots in the stretch.
            logits: where the scores go, (outputs of all slots, vocabulary), contiguous.
        """
        first, slots = self._stretch.first_slot, self._stretch.slots
        inputs = step_inputs(rows, self._stretch, self._positions) | {
            "positions": np.concatenate([_positions(share) for share in rows]),
            "source_lengths": self._sources.lengths[first : first + slots],
            "source_capacity": np.array(self._sources.caches.positions, np.int32),
        }
        for name, array in inputs.items():
            self._io_binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._io_binding.bind_output("logits", "cpu", 0, logits.dtype, logits.shape, logits.ctypes.data)
        self._session.run_with_iobinding(self._io_binding)


def _positions(share: SlotRows) -> npt.NDArray[np.int64]:
    """How many tokens come before each row of a slot."""
    return np.arange(share.past, share.past + len(share.token_ids), dtype=np.int64)


def _bind_in_place(binding: ort.IOBinding, caches: Caches, prefix: str, stretch: Stretch) -> None:
    """Bind the caches of some slots as past and as present."""
    for name, array in caches.named():
        shape = (stretch.slots, *array.shape[1:])
        address = array.ctypes.data + stretch.first_slot * array.strides[0]
        binding.bind_input(f"past_{prefix}{name}", "cpu", 0, array.dtype, shape, address)
        binding.bind_output(f"present_{prefix}{name}", "cpu", 0, array.dtype, shape, address)
