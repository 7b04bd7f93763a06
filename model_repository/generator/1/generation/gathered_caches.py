"""The memory of all slots' keys and values where a graph of standard operators reads and writes it: on a GPU.

A cache is one table with a line for each head of each place, and a slot owns `capacity` places of it. A step
scatters the lines of its new tokens into the table, which is output and input at once and is never copied,
and gathers the lines of the slots that take part, up to the longest of them. Places that nobody has written
are never read, so that the table may start with anything in it.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from generation.adapter import SlotRows
from generation.blocked_caches import DTYPES
from generation.slot_caches import CacheBinding, packed_inputs

ALIGNMENT = 16
"""The number of keys that a step reads is rounded up to this, for tensor cores and for fewer shapes."""

MOST_PADDING = 2
"""Shares of a step that go together are padded to the longest: rows may become so many times as many."""


class GatheredCaches:
    """Keys and values of all layers.

    Args:
        keys: of each layer, (slots * capacity * kv_heads, head_size).
        values: of each layer, likewise.
        what: what graphs call them, "cache" or "cross".
        capacity: tokens that each slot has room for.
        copying: the graph that copies places (`copy_graph` of the export).
    """

    def __init__(
        self,
        keys: Sequence[ort.OrtValue],
        values: Sequence[ort.OrtValue],
        *,
        what: str,
        capacity: int,
        copying: ort.InferenceSession,
    ) -> None:
        self.keys = tuple(keys)
        self.values = tuple(values)
        self._what = what
        self._capacity = capacity
        self._copying = CacheBinding(copying, **{what: self})

    @classmethod
    def allocate(
        cls,
        slots: int,
        kv_heads: Sequence[int],
        capacity: int,
        head_size: int,
        kind: str,
        *,
        what: str,
        device: str,
        copying: ort.InferenceSession,
    ) -> Self:
        """Allocate caches; what they hold is whatever lay there.

        Args:
            slots: how many sequences can be in flight.
            kv_heads: heads of each layer's cache.
            capacity: how many tokens each slot has room for.
            head_size: channels of a head.
            kind: what the graph writes, "fp32" or "fp16".
            what: what graphs call them, "cache" or "cross".
            device: whose memory, "cpu" or "cuda".
            copying: the graph that copies places.
        """

        def allocated() -> list[ort.OrtValue]:
            shapes = ([slots * capacity * heads, head_size] for heads in kv_heads)
            return [
                ort.OrtValue.ortvalue_from_shape_and_type(shape, DTYPES[kind], device, 0) for shape in shapes
            ]

        return cls(allocated(), allocated(), what=what, capacity=capacity, copying=copying)

    @property
    def size_bytes(self) -> int:
        """What all caches take together."""
        return sum(cache.tensor_size_in_bytes() for cache in (*self.keys, *self.values))

    def copy_prefix(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of a slot to another one, where they lie."""
        if tokens == 0 or source == target:
            return
        places = np.arange(tokens, dtype=np.int64)
        inputs = {"source_places": places + source * self._capacity}
        self._copying.run(inputs | {"target_places": places + target * self._capacity})

    def bind(self, io_binding: ort.IOBinding, what: str, outputs: Collection[str]) -> None:
        """Bind every cache to the input of its name and, where the graph writes it, to that output."""
        for name, cache in self.named(what):
            io_binding.bind_ortvalue_input(name, cache)
            if f"present_{name}" in outputs:
                io_binding.bind_ortvalue_output(f"present_{name}", cache)

    def named(self, what: str) -> Iterator[tuple[str, ort.OrtValue]]:
        """Every cache with the name of the graph's input, such as `key_<what>_0`."""
        for index, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            yield f"key_{what}_{index}", keys
            yield f"value_{what}_{index}", values

    def parts(self, rows: Sequence[SlotRows]) -> list[list[int]]:
        """Shares of similar lengths, so that padding is bounded; each part in the order of the rows."""
        parts: list[list[int]] = []
        lengths = [len(share.token_ids) for share in rows]
        tokens = 0
        for number in sorted(range(len(rows)), key=lambda number: -lengths[number]):
            if parts and (len(parts[-1]) + 1) * lengths[parts[-1][0]] <= MOST_PADDING * (
                tokens + lengths[number]
            ):
                parts[-1].append(number)
                tokens += lengths[number]
            else:
                parts.append([number])
                tokens = lengths[number]
        return [sorted(part) for part in parts]

    def step_inputs(self, rows: Sequence[SlotRows]) -> dict[str, npt.NDArray[Any]]:
        """A step's tokens and where they belong, as the graph's inputs (`GatheredStep` of the export)."""
        lengths = np.array([len(share.token_ids) for share in rows], np.int64)
        pasts = np.array([share.past for share in rows], np.int64)
        first_places = np.array([share.slot for share in rows], np.int64) * self._capacity
        starts = np.cumsum(lengths) - lengths
        within = np.arange(lengths.sum()) - np.repeat(starts, lengths)  # of each row in its share
        positions = np.repeat(pasts, lengths) + within
        longest = int(lengths.max())
        steps = np.minimum(np.arange(longest), lengths[:, None] - 1)  # (shares, longest)
        packed = packed_inputs(rows)
        if not len(packed["output_rows"]):  # not every kernel of a GPU takes no rows at all
            packed["output_rows"] = np.zeros(1, np.int64)
        return packed | {
            "positions": positions,
            "places": np.repeat(first_places, lengths) + positions,
            "to_shares": starts[:, None] + steps,
            "to_rows": np.repeat(np.arange(len(rows)) * longest, lengths) + within,
            "first_places": first_places,
            "last_columns": pasts + lengths - 1,
            "columns": _columns(int((pasts + lengths).max())),
        }

    def source_inputs(
        self, slots: Sequence[int], lengths: npt.NDArray[np.int32]
    ) -> dict[str, npt.NDArray[Any]]:
        """Where the sources of a step's shares lie, and how long they are."""
        return {
            "first_source_places": np.array(slots, np.int64) * self._capacity,
            "last_source_columns": lengths.astype(np.int64) - 1,
            "source_columns": _columns(int(lengths.max())),
        }

    def store_inputs(self, slot: int, tokens: int) -> dict[str, npt.NDArray[Any]]:
        """Where a source is to be written."""
        positions = np.arange(tokens, dtype=np.int64)
        return {"positions": positions, "places": positions + slot * self._capacity}


def _columns(tokens: int) -> npt.NDArray[np.int64]:
    """Numbers of the keys that a step reads of each slot; those behind a slot's last read its last again."""
    return np.arange(-(-tokens // ALIGNMENT) * ALIGNMENT, dtype=np.int64)
