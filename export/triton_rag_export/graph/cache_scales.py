"""Scales of an INT8 key/value cache, one a channel, measured on the cache itself.

Calibration texts go through the graph with its FP32 cache, and what then lies there decides: keys as
attention reads them, normalized and rotated, of the very weights that will be served.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from generation.adapter import SlotRows
from generation.blocked_caches import BlockedCaches
from generation.causal import CausalDescription
from generation.session import load_session
from generation.slot_caches import CacheBinding

from triton_rag_export.graph.linear import Floats

LARGEST_BYTE = 127


@dataclass(frozen=True, slots=True, eq=False)
class CacheScales:
    """What one step of a byte is worth in each channel.

    Attributes:
        keys: of each layer, (kv_heads * head_size,).
        values: of each layer, (kv_heads * head_size,).
    """

    keys: tuple[Floats, ...]
    values: tuple[Floats, ...]


def measure_cache_scales(graph: Path, sequences: Sequence[Sequence[int]]) -> CacheScales:
    """Measure the cache of a graph over calibration texts.

    Args:
        graph: with an FP32 cache; its description lies beside it.
        sequences: token ids of the texts, at least one.
    """
    description = CausalDescription.load(graph.parent)
    positions = max(len(sequence) for sequence in sequences)
    caches = BlockedCaches.allocate(1, description.kv_heads, positions, description.head_size)
    binding = CacheBinding(load_session(graph, threads=0), cache=caches)
    logits = np.empty((1, description.vocabulary_size), np.float32)
    width = description.head_size
    keys = [np.zeros(heads * width, np.float32) for heads in description.kv_heads]
    values = [np.zeros_like(largest) for largest in keys]
    for sequence in sequences:
        binding.run(caches.step_inputs([SlotRows(0, tuple(sequence), 0, 1)]), logits)
        for index in range(len(keys)):
            new_keys = np.asarray(caches.keys_of(index, 0, len(sequence)), np.float32)
            new_values = np.asarray(caches.values_of(index, 0, len(sequence)), np.float32)
            keys[index] = np.maximum(keys[index], _largest(_turned(new_keys)))
            values[index] = np.maximum(values[index], _largest(np.abs(new_values)))
    return CacheScales(tuple(map(_scale, keys)), tuple(map(_scale, values)))


def _turned(keys: Floats) -> Floats:
    """The largest that each channel can become at any position.

    Rotary positions turn a channel of the first half with its partner in the second. Texts of calibration are
    shorter than the context: farther on, the slow pairs stand at angles that never occurred.
    """
    first, second = np.split(keys, 2, axis=-1)
    length = np.hypot(first, second)
    return np.concatenate([length, length], axis=-1)


def _largest(channels: Floats) -> Floats:
    return np.asarray(channels.max(axis=1).ravel(), dtype=np.float32)


def _scale(largest: Floats) -> Floats:
    return np.where(largest > 0, largest / LARGEST_BYTE, 1).astype(np.float32)
