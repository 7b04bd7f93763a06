"""Linear layers whose weights are whole numbers of a few bits, with a grid of their own a block of inputs.

Along the inputs, each output channel is cut into blocks that share a scale and a zero point:
`weight = scale * (code - zero_point)`. Decoding one sequence is bound by reading weights, which is what fewer
bits are for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triton_rag_export.graph.linear import Floats, LinearWeights

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class BlockGrid:
    """The values that the weights of each block can take.

    Attributes:
        bits: of a code, 4 or 8.
        block_size: inputs that share a scale and a zero point, a power of two from 16.
        scale: (blocks, outputs), above zero, of as many digits as a float's upper two bytes hold.
        zero_point: (blocks, outputs), the code that means zero.
    """

    bits: int
    block_size: int
    scale: Floats
    zero_point: Codes

    @classmethod
    def spanning(cls, weight: Floats, *, bits: int, block_size: int) -> "BlockGrid":
        """The grid from the smallest to the largest weight of each block, zero among its values.

        Args:
            weight: (inputs, outputs); the last block may be short.
            bits: of a code.
            block_size: inputs of a block.
        """
        starts = np.arange(0, weight.shape[0], block_size)
        largest = np.maximum(np.maximum.reduceat(weight, starts, axis=0), 0)
        smallest = np.minimum(np.minimum.reduceat(weight, starts, axis=0), 0)
        step = (largest - smallest) / (2**bits - 1)
        scale = _upper_half(np.where(step > 0, step, 1).astype(np.float32))
        return cls(bits, block_size, scale, np.rint(-smallest / scale).astype(np.uint8))

    def nearest(self, values: npt.NDArray[np.floating], inputs: npt.NDArray[np.integer]) -> Codes:
        """The codes of the grid's values closest to some weights.

        Args:
            values: (n, outputs).
            inputs: (n,) which inputs these are the weights of.
        """
        blocks = inputs // self.block_size
        codes = np.rint(values / self.scale[blocks]) + self.zero_point[blocks]
        return np.asarray(np.clip(codes, 0, 2**self.bits - 1), dtype=np.uint8)

    def values(self, codes: Codes, inputs: npt.NDArray[np.integer]) -> Floats:
        """What codes (n, outputs) of some inputs (n,) stand for."""
        blocks = inputs // self.block_size
        steps = codes.astype(np.float32) - self.zero_point[blocks]
        return np.asarray(steps * self.scale[blocks], dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BlockLinear(LinearWeights):
    """A linear layer on a grid; `weight` is what the codes stand for.

    Attributes:
        codes: (inputs, outputs).
        grid: of the codes.
    """

    codes: Codes
    grid: BlockGrid

    @classmethod
    def of(cls, codes: Codes, grid: BlockGrid, bias: Floats | None) -> "BlockLinear":
        """The layer with these codes (inputs, outputs)."""
        weight = grid.values(codes, np.arange(len(codes)))
        return cls(weight=weight, bias=bias, codes=codes, grid=grid)

    def smoothed(self, factors: Floats) -> LinearWeights:
        """Refused: factors would leave the grid.

        Raises:
            TypeError: always.
        """
        raise TypeError("the layer is on a grid already; smooth first, then quantize")


def rounded(layer: LinearWeights, *, bits: int, block_size: int) -> BlockLinear:
    """The layer with each weight at the nearest value of its block's grid."""
    grid = BlockGrid.spanning(layer.weight, bits=bits, block_size=block_size)
    return BlockLinear.of(grid.nearest(layer.weight, np.arange(len(layer.weight))), grid, layer.bias)


def beside(layers: Sequence[BlockLinear], bias: Floats | None) -> BlockLinear:
    """One layer that does the work of several which read the same rows, on grids of equal bits and blocks."""
    grids = [layer.grid for layer in layers]
    grid = BlockGrid(
        grids[0].bits,
        grids[0].block_size,
        np.concatenate([grid.scale for grid in grids], axis=1),
        np.concatenate([grid.zero_point for grid in grids], axis=1),
    )
    return BlockLinear.of(np.concatenate([layer.codes for layer in layers], axis=1), grid, bias)


def _upper_half(values: Floats) -> Floats:
    """The nearest numbers above whose lower two bytes are zero, as a scale is stored.

    What is above such a number by rounding alone stays there.
    """
    return np.asarray(((values.view(np.uint32) + 0xFF00) & 0xFFFF0000).view(np.float32), dtype=np.float32)
