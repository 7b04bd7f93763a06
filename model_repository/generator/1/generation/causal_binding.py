"""The memory of a step: caches of all slots, and inputs and outputs bound to the graph once a shape.

Binding costs a millisecond or two, running a bound graph hardly anything beside the graph: a binding is made
once for each shape of step and filled anew for each step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from generation.adapter import SlotRows, StepResult

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

    def named(self) -> Iterator[tuple[str, Cache]]:
        """Every cache with the name it has in the graph behind `past_` and `present_`."""
        for index, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            yield f"key_{index}", keys
            yield f"value_{index}", values


@dataclass(frozen=True, slots=True)
class StepShape:
    """What must be equal for two steps to share a binding.

    Attributes:
        rows: new tokens of all slots.
        first_slot: where the stretch of slots begins.
        slots: how many slots the stretch has, from the first with rows to the last.
        longest: the most rows that one slot brings, or `LEAST_LONGEST`.
        outputs: rows whose next token is asked for.
        logits: whether their scores are asked for too.
    """

    rows: int
    first_slot: int
    slots: int
    longest: int
    outputs: int
    logits: bool

    @classmethod
    def of(cls, rows: Sequence[SlotRows], *, logits: bool) -> Self:
        """The shape of a step with these rows."""
        slots = [share.slot for share in rows]
        lengths = [len(share.token_ids) for share in rows]
        return cls(
            rows=sum(lengths),
            first_slot=min(slots),
            slots=max(slots) - min(slots) + 1,
            longest=max(LEAST_LONGEST, *lengths),
            outputs=sum(share.outputs for share in rows),
            logits=logits,
        )


class StepBinding:
    """Inputs and outputs for steps of one shape, bound to a session.

    Args:
        session: the graph.
        caches: bound in place, as past and as present.
        shape: of the steps.
        vocabulary_size: the width of the logits.
    """

    def __init__(
        self, session: ort.InferenceSession, caches: Caches, shape: StepShape, vocabulary_size: int
    ) -> None:
        self._shape = shape
        self._token_ids = np.zeros(shape.rows, np.int64)
        self._to_slots = np.zeros((shape.slots, shape.longest), np.int64)
        self._to_rows = np.zeros(shape.rows, np.int64)
        self._output_rows = np.zeros(shape.outputs, np.int64)
        self._last_positions = np.zeros(shape.slots, np.int32)
        self._query_lengths = np.zeros(shape.slots, np.int32)
        self._capacity = np.array(caches.positions, np.int32)
        self._next_token_ids = np.zeros(shape.outputs, np.int64)
        self._logits = np.zeros((shape.outputs, vocabulary_size), np.float32) if shape.logits else None
        self.io_binding = session.io_binding()
        self._bind_arrays()
        self._bind_caches(caches)

    def fill(self, rows: Sequence[SlotRows]) -> None:
        """Write a step's tokens, and where they belong, into the inputs."""
        self._to_slots.fill(0)
        self._last_positions.fill(0)
        self._query_lengths.fill(0)
        start = output = 0
        for share in rows:
            count, place = len(share.token_ids), share.slot - self._shape.first_slot
            end = start + count
            self._token_ids[start:end] = share.token_ids
            self._to_slots[place, :count] = np.arange(start, end)
            self._to_rows[start:end] = np.arange(count) + place * self._shape.longest
            self._output_rows[output : output + share.outputs] = np.arange(end - share.outputs, end)
            self._last_positions[place] = share.past + count - 1
            self._query_lengths[place] = count
            start, output = end, output + share.outputs

    def result(self) -> StepResult:
        """The results of the last run, safe from the next."""
        logits = None if self._logits is None else self._logits.copy()
        return StepResult(self._next_token_ids.copy(), logits)

    def _bind_arrays(self) -> None:
        inputs: dict[str, npt.NDArray[Any]] = {
            "token_ids": self._token_ids,
            "to_slots": self._to_slots,
            "to_rows": self._to_rows,
            "output_rows": self._output_rows,
            "last_positions": self._last_positions,
            "query_lengths": self._query_lengths,
            "capacity": self._capacity,
        }
        for name, array in inputs.items():
            self.io_binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        outputs: dict[str, npt.NDArray[Any]] = {"next_token_ids": self._next_token_ids}
        if self._logits is not None:
            outputs["logits"] = self._logits
        for name, array in outputs.items():
            self.io_binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def _bind_caches(self, caches: Caches) -> None:
        for name, array in caches.named():
            shape = (self._shape.slots, *array.shape[1:])
            address = array.ctypes.data + self._shape.first_slot * array.strides[0]
            self.io_binding.bind_input(f"past_{name}", "cpu", 0, array.dtype, shape, address)
            self.io_binding.bind_output(f"present_{name}", "cpu", 0, array.dtype, shape, address)
