"""Allocates caches as a graph was built to read and write them: blocked for a CPU, gathered for a GPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generation.blocked_caches import BlockedCaches
from generation.gathered_caches import GatheredCaches
from generation.session import CPU, load_session
from generation.slot_caches import SlotCaches


def copy_graph_file(what: str) -> str:
    """The name of the graph that copies places of caches, "cache" or "cross"."""
    return f"copy_{what}.onnx"


@dataclass(frozen=True, slots=True)
class CacheMemory:
    """Where caches lie.

    Attributes:
        folder: the version folder.
        built_for: the device that its graphs were built for, "cpu" or "cuda".
        device: the device that runs them.
    """

    folder: Path
    built_for: str
    device: str

    def allocate(
        self, what: str, slots: int, kv_heads: Sequence[int], capacity: int, head_size: int, kind: str
    ) -> SlotCaches:
        """Allocate the caches of all layers.

        Args:
            what: what graphs call them, "cache" or "cross".
            slots: how many sequences can be in flight.
            kv_heads: heads of each layer's cache.
            capacity: tokens that each slot has room for.
            head_size: channels of a head.
            kind: what keys and values are kept in, "fp32", "fp16" or, on a CPU, "int8".

        Raises:
            SettingsError: a graph for a GPU without one, or without the graph that copies its caches.
        """
        if self.built_for == CPU:
            return BlockedCaches.allocate(slots, kv_heads, capacity, head_size, kind)
        copying = load_session(self.folder / copy_graph_file(what), threads=1, device=self.device)
        return GatheredCaches.allocate(
            slots, kv_heads, capacity, head_size, kind, what=what, device=self.device, copying=copying
        )
