"""Weights laid out as our operators read them (`kernels/source/compute.h`): columns in groups of sixty-four.

A gated layer's weight is gates and ups side by side; its groups hold half of each, the same columns of both,
so that one group's results are all that a gated output needs. Columns are filled up to whole groups with
zeros.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from triton_rag_export.graph.block_grid import BlockLinear

GROUP = 64
"""Columns that lie together."""

_STEP = 4
_ZERO = 128


def grouped(weight: npt.NDArray[Any], *, is_gated: bool) -> npt.NDArray[Any]:
    """(inputs, columns) to (inputs, groups * GROUP)."""
    if not is_gated:
        return _filled(weight, GROUP)
    half = GROUP // 2
    parts = [_filled(part, half) for part in np.split(weight, 2, axis=1)]
    blocks = [part.reshape(len(part), -1, half) for part in parts]
    return np.concatenate(blocks, axis=2).reshape(len(weight), -1)


def pack_floats(weight: npt.NDArray[Any], *, is_gated: bool = False) -> npt.NDArray[Any]:
    """(inputs, columns) to (groups, inputs, GROUP)."""
    columns = grouped(weight, is_gated=is_gated)
    return np.ascontiguousarray(columns.reshape(len(weight), -1, GROUP).transpose(1, 0, 2))


def pack_bytes(weight: npt.NDArray[np.int8], *, is_gated: bool = False) -> npt.NDArray[np.uint8]:
    """Signed bytes (inputs, columns) to unsigned ones around 128, (groups, inputs / 4, GROUP, 4)."""
    return _by_steps((grouped(weight, is_gated=is_gated).astype(np.int16) + _ZERO).astype(np.uint8), _ZERO)


def pack_blocks(layer: BlockLinear, *, is_gated: bool = False) -> npt.NDArray[np.uint8]:
    """Codes of four bits, scales and zero points, (groups, blocks, bytes of a block).

    Raises:
        ValueError: a grid of other bits or blocks than the operator reads.
    """
    grid = layer.grid
    if (grid.bits, grid.block_size) != (4, 32):
        raise ValueError(f"a grid of {grid.bits} bits a block of {grid.block_size}; allowed: 4 bits, 32")
    blocks = len(grid.scale)
    codes = np.pad(
        grouped(layer.codes, is_gated=is_gated), ((0, -len(layer.codes) % grid.block_size), (0, 0))
    )
    steps = _by_steps(codes, 0).reshape(-1, blocks, 2, 4, GROUP * _STEP)  # (groups, blocks, halves, steps, ·)
    halves = np.asarray(steps[:, :, 0] | (steps[:, :, 1] << 4), dtype=np.uint8)

    def by_group(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        columns = grouped(values, is_gated=is_gated).reshape(blocks, -1, GROUP).transpose(1, 0, 2)
        return np.ascontiguousarray(columns).view(np.uint8)

    # The upper half of a float: the grid's scales have no more.
    scales = (grid.scale.view(np.uint32) >> 16).astype(np.uint16)
    parts = [halves.reshape(len(halves), blocks, -1), by_group(scales), by_group(grid.zero_point)]
    return np.concatenate(parts, axis=2)


def _by_steps(weight: npt.NDArray[np.uint8], zero: int) -> npt.NDArray[np.uint8]:
    """(inputs, groups * GROUP) to (groups, inputs / 4, GROUP, 4), inputs filled up with `zero`."""
    filled = np.pad(weight, ((0, -len(weight) % _STEP), (0, 0)), constant_values=zero)
    steps = filled.reshape(-1, _STEP, weight.shape[1] // GROUP, GROUP)
    return np.ascontiguousarray(steps.transpose(2, 0, 3, 1))


def _filled(weight: npt.NDArray[Any], multiple: int) -> npt.NDArray[Any]:
    return np.pad(weight, ((0, 0), (0, -weight.shape[1] % multiple)))
