"""The memory of a step: caches of all slots, bound in place, and the inputs and outputs of one step.

Binding the caches of all layers takes a millisecond or two, so it is done once for each stretch of slots; the
few inputs that change from step to step are bound anew each time, which takes microseconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from generation.adapter import SlotRows

# A step of one row a slot takes another attention kernel, with other rounding, than a step where a neighbour
# brings more. Padded to two places it takes the same kernel, so an answer never depends on its neighbours;
# that costs nothing measurable.
LEAST_LONGEST = 2

Cache = npt.NDArray[np.float32 | np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Caches:
    """Keys and values of all layers, each (slots, kv_heads, positions, head_size)."""

    keys: tuple[Cache, ...]
    values: tuple[Cache, ...]

    @classmethod
    def allocate(
        cls,
        slots: int,
        kv_heads: Sequence[int],
        positions: int,
        head_size: int,
        dtype: type[np.float32] | type[np.int8] = np.float32,
    ) -> Self:
        """Allocate zeroed caches; the system gives a page when its first token is written.

        Args:
            slots: how many sequences can be in flight.
            kv_heads: heads of each layer's cache.
            positions: how many tokens each slot has room for.
            head_size: channels of a head.
            dtype: what the graph writes, floats or bytes.
        """
        shapes = [(slots, heads, positions, head_size) for heads in kv_heads]
        return cls(
            keys=tuple(np.zeros(shape, dtype) for shape in shapes),
            values=tuple(np.zeros(shape, dtype) for shape in shapes),
        )

    @property
    def positions(self) -> int:
        """How many tokens each slot has room for."""
        return int(self.keys[0].shape[2])

    @property
    def size_bytes(self) -> int:
        """What all caches take together."""
        return sum(array.nbytes for _, array in self.named())

    def copy_prefix(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of a slot to another one."""
        for _, array in self.named():
            array[target, :, :tokens] = array[source, :, :tokens]

    def named(self) -> Iterator[tuple[str, Cache]]:
        """Every cache with the name it has in the graph behind `past_` and `present_`."""
        for index, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            yield f"key_{index}", keys
            yield f"value_{index}", values


@dataclass(frozen=True, slots=True)
class Stretch:
    """The slots of a step, from the first with rows to the last."""

    first_slot: int
    slots: int

    @classmethod
    def of(cls, rows: Sequence[SlotRows]) -> Self:
        """The stretch of a step with these rows."""
        slots = [share.slot for share in rows]
        return cls(min(slots), max(slots) - min(slots) + 1)


class StretchBinding:
    """The caches of a stretch of slots bound to a session, as past and as present.

    Args:
        session: the graph.
        caches: of all slots.
        stretch: which of them.
    """

    def __init__(self, session: ort.InferenceSession, caches: Caches, stretch: Stretch) -> None:
        self._session = session
        self._stretch = stretch
        self._positions = caches.positions
        self._io_binding = session.io_binding()
        for name, array in caches.named():
            shape = (stretch.slots, *array.shape[1:])
            address = array.ctypes.data + stretch.first_slot * array.strides[0]
            self._io_binding.bind_input(f"past_{name}", "cpu", 0, array.dtype, shape, address)
            self._io_binding.bind_output(f"present_{name}", "cpu", 0, array.dtype, shape, address)

    def run(self, rows: Sequence[SlotRows], logits: npt.NDArray[np.float32]) -> None:
        """Do a step.

        Args:
            rows: of slots in the stretch.
            logits: where the scores go, (outputs of all slots, vocabulary), contiguous.
        """
        inputs = step_inputs(rows, self._stretch, self._positions)
        for name, array in inputs.items():
            self._io_binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._io_binding.bind_output("logits", "cpu", 0, logits.dtype, logits.shape, logits.ctypes.data)
        self._session.run_with_iobinding(self._io_binding)


def step_inputs(rows: Sequence[SlotRows], stretch: Stretch, positions: int) -> dict[str, npt.NDArray[Any]]:
    """A step's tokens and where they belong, as the graph's inputs (`causal_graph` of the export).

    Args:
        rows: at least one slot's.
        stretch: the slots from the first with rows to the last.
        positions: how many tokens each slot has room for.
    """
    lengths = [len(share.token_ids) for share in rows]
    longest, total = max(LEAST_LONGEST, *lengths), sum(lengths)
    to_slots = np.zeros((stretch.slots, longest), np.int64)
    to_rows = np.empty(total, np.int64)
    output_rows = np.empty(sum(share.outputs for share in rows), np.int64)
    last_positions = np.zeros(stretch.slots, np.int32)
    query_lengths = np.zeros(stretch.slots, np.int32)
    start = output = 0
    for share, count in zip(rows, lengths, strict=True):
        place, end = share.slot - stretch.first_slot, start + count
        to_slots[place, :count] = np.arange(start, end)
        to_rows[start:end] = np.arange(count) + place * longest
        output_rows[output : output + share.outputs] = np.arange(end - share.outputs, end)
        last_positions[place] = share.past + count - 1
        query_lengths[place] = count
        start, output = end, output + share.outputs
    return {
        "token_ids": np.fromiter((token for share in rows for token in share.token_ids), np.int64, total),
        "to_slots": to_slots,
        "to_rows": to_rows,
        "output_rows": output_rows,
        "last_positions": last_positions,
        "query_lengths": query_lengths,
        "capacity": np.array(positions, np.int32),
    }
