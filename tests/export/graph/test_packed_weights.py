"""Weights lie where the operators look for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.graph.block_grid import BlockLinear, rounded
from triton_rag_export.graph.linear import LinearWeights
from triton_rag_export.graph.packed_weights import GROUP, grouped, pack_blocks, pack_bytes, pack_floats

BLOCK = 32
widths = st.integers(1, 140)


def block_layer(inputs: int, outputs: int) -> BlockLinear:
    weight = np.random.default_rng(inputs * 1000 + outputs).normal(size=(inputs, outputs)).astype(np.float32)
    return rounded(LinearWeights(weight), bits=4, block_size=BLOCK)


def place_of(column: int, columns: int, is_gated: bool) -> tuple[int, int]:
    """The group of a column and its place there, as `compute.h` says."""
    if not is_gated:
        return divmod(column, GROUP)
    half, (is_up, own) = GROUP // 2, divmod(column, columns // 2)
    return own // half, is_up * half + own % half


@given(widths, widths, st.booleans())
def test_floats_lie_in_groups_of_columns(inputs: int, outputs: int, is_gated: bool) -> None:
    columns = outputs * 2 if is_gated else outputs
    weight = np.arange(1, inputs * columns + 1, dtype=np.float32).reshape(inputs, columns)

    packed = pack_floats(weight, is_gated=is_gated)

    groups = -(-outputs // (GROUP // 2 if is_gated else GROUP))
    assert packed.shape == (groups, inputs, GROUP)
    assert packed.flags.c_contiguous
    for column in range(columns):
        group, place = place_of(column, columns, is_gated)
        np.testing.assert_array_equal(packed[group, :, place], weight[:, column])
    assert np.count_nonzero(packed) == weight.size


@given(widths, widths, st.booleans())
def test_bytes_lie_around_128_four_inputs_of_a_column_together(
    inputs: int, outputs: int, is_gated: bool
) -> None:
    columns = outputs * 2 if is_gated else outputs
    weight = np.random.default_rng(inputs).integers(-127, 128, (inputs, columns)).astype(np.int8)

    packed = pack_bytes(weight, is_gated=is_gated)

    assert packed.shape[1:] == (-(-inputs // 4), GROUP, 4)
    by_input = packed.transpose(0, 2, 1, 3).reshape(len(packed), GROUP, -1).astype(int) - 128
    for column in range(columns):
        group, place = place_of(column, columns, is_gated)
        np.testing.assert_array_equal(by_input[group, place, :inputs], weight[:, column])
    assert not by_input[:, :, inputs:].any()
    assert np.count_nonzero(by_input) == np.count_nonzero(weight)


@given(widths, widths, st.booleans())
def test_a_block_carries_its_codes_scales_and_zeros(inputs: int, outputs: int, is_gated: bool) -> None:
    layer = block_layer(inputs, outputs * 2 if is_gated else outputs)

    packed = pack_blocks(layer, is_gated=is_gated)

    blocks, codes_end = -(-inputs // BLOCK), GROUP * BLOCK // 2
    assert packed.shape[1:] == (blocks, codes_end + 3 * GROUP)
    # (groups, blocks, half of the steps, column, input of the step)
    pairs = packed[:, :, :codes_end].reshape(-1, blocks, BLOCK // 8, GROUP, 4)
    steps = np.concatenate([pairs & 15, pairs >> 4], axis=2)
    codes = steps.transpose(0, 3, 1, 2, 4).reshape(len(packed), GROUP, -1)
    upper = np.ascontiguousarray(packed[:, :, codes_end : codes_end + 2 * GROUP]).view(np.uint16)
    scales = (upper.astype(np.uint32) << 16).view(np.float32)
    zeros = packed[:, :, codes_end + 2 * GROUP :]
    for column in range(layer.codes.shape[1]):
        group, place = place_of(column, layer.codes.shape[1], is_gated)
        np.testing.assert_array_equal(codes[group, place, :inputs], layer.codes[:, column])
        np.testing.assert_array_equal(scales[group, :, place], layer.grid.scale[:, column])
        np.testing.assert_array_equal(zeros[group, :, place], layer.grid.zero_point[:, column])


def test_what_a_column_has_one_of_goes_the_way_of_the_column() -> None:
    bias = np.arange(1, 141, dtype=np.float32)[None, :]
    packed = pack_floats(bias, is_gated=True)
    np.testing.assert_array_equal(grouped(bias, is_gated=True).ravel(), packed.ravel())


@pytest.mark.parametrize(("bits", "block_size"), [(8, 32), (4, 64)])
def test_a_grid_that_the_operator_does_not_read_is_refused(bits: int, block_size: int) -> None:
    layer = rounded(LinearWeights(np.ones((64, 3), np.float32)), bits=bits, block_size=block_size)
    with pytest.raises(ValueError, match=f"{bits} bits a block of {block_size}; allowed: 4 bits, 32"):
        pack_blocks(layer)
