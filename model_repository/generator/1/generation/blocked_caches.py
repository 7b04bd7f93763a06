"""The memory of all slots' keys and values, as our attention operator reads and writes it.

Keys lie in blocks of sixteen positions, channel by channel, so that one load brings a channel of sixteen
keys; values lie position by position. The graph writes the caches where they are and copies nothing.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from generation.adapter import SlotRows
from generation.slot_caches import packed_inputs

LANES = 16
"""Positions of a block of keys, and what the channels of a value are rounded up to."""

Cache = npt.NDArray[np.float32 | np.float16 | np.int8]

DTYPES: dict[str, type[np.float32] | type[np.float16] | type[np.int8]] = {
    "fp32": np.float32,
    "fp16": np.float16,
    "int8": np.int8,
}
"""What a cache of each kind holds."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockedCaches:
    """Keys and values of all layers.

    Attributes:
        keys: of each layer, (slots, kv_heads, positions / 16, head_size, 16).
        values: of each layer, (slots, kv_heads, positions, head_size rounded up to 16).
    """

    keys: tuple[Cache, ...]
    values: tuple[Cache, ...]

    @classmethod
    def allocate(
        cls,
        slots: int,
        kv_heads: Sequence[int],
        positions: int,
        head_size: int,
        kind: str = "fp32",
    ) -> Self:
        """Allocate zeroed caches; the system gives a page when its first token is written.

        Args:
            slots: how many sequences can be in flight.
            kv_heads: heads of each layer's cache.
            positions: how many tokens each slot has room for, rounded up to whole blocks.
            head_size: channels of a head.
            kind: what the graph writes, a key of `DTYPES`.
        """
        dtype = DTYPES[kind]
        blocks, width = -(-positions // LANES), -(-head_size // LANES) * LANES
        return cls(
            keys=tuple(np.zeros((slots, heads, blocks, head_size, LANES), dtype) for heads in kv_heads),
            values=tuple(np.zeros((slots, heads, blocks * LANES, width), dtype) for heads in kv_heads),
        )

    @property
    def size_bytes(self) -> int:
        """What all caches take together."""
        return sum(array.nbytes for _, array in self.named())

    def copy_prefix(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of a slot to another one, and what else lies in their last block."""
        blocks = -(-tokens // LANES)
        for keys, values in zip(self.keys, self.values, strict=True):
            keys[target, :, :blocks] = keys[source, :, :blocks]
            values[target, :, :tokens] = values[source, :, :tokens]

    def keys_of(self, layer: int, slot: int, tokens: int) -> Cache:
        """The keys of a slot's first tokens in a layer, (kv_heads, tokens, head_size)."""
        blocks = self.keys[layer][slot]  # (kv_heads, blocks, head_size, 16)
        in_order: Cache = blocks.transpose(0, 1, 3, 2).reshape(len(blocks), -1, blocks.shape[2])
        return in_order[:, :tokens]

    def values_of(self, layer: int, slot: int, tokens: int) -> Cache:
        """The values of a slot's first tokens in a layer, (kv_heads, tokens, head_size)."""
        values: Cache = self.values[layer][slot, :, :tokens, : self.keys[layer].shape[3]]
        return values

    def bind(self, io_binding: ort.IOBinding, what: str, outputs: Collection[str]) -> None:
        """Bind every cache to the graph's input of its name, which the graph writes."""
        for name, array in self.named(what):
            io_binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def parts(self, rows: Sequence[SlotRows]) -> list[list[int]]:
        """All shares of a step, which one run takes, whatever their lengths."""
        return [list(range(len(rows)))]

    def step_inputs(self, rows: Sequence[SlotRows]) -> dict[str, npt.NDArray[Any]]:
        """A step's tokens and where they belong, as the graph's inputs (`causal_graph` of the export)."""
        return packed_inputs(rows) | {
            "slots": np.array([share.slot for share in rows], np.int32),
            "pasts": np.array([share.past for share in rows], np.int32),
            "lengths": np.array([len(share.token_ids) for share in rows], np.int32),
        }

    def source_inputs(
        self, slots: Sequence[int], lengths: npt.NDArray[np.int32]
    ) -> dict[str, npt.NDArray[Any]]:
        """Where the sources of a step's shares lie: with the slots, which a step names anyway."""
        return {"source_lengths": lengths}

    def store_inputs(self, slot: int, tokens: int) -> dict[str, npt.NDArray[Any]]:
        """Where a source is to be written."""
        return {"slot": np.array([slot], np.int32)}

    def named(self, what: str = "cache") -> Iterator[tuple[str, Cache]]:
        """Every cache with the name of the graph's input, such as `key_<what>_0`."""
        for index, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            yield f"key_{what}_{index}", keys
            yield f"value_{what}_{index}", values
