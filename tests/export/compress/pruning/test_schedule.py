"""The cubic schedule of Zhu and Gupta."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.compress.pruning import cubic_sparsity


def test_it_starts_and_ends_where_it_should_and_is_fast_at_first() -> None:
    assert [cubic_sparsity(step, 4, 0.8) for step in range(6)] == pytest.approx(
        [0, 0.8 * (1 - 27 / 64), 0.8 * (1 - 8 / 64), 0.8 * (1 - 1 / 64), 0.8, 0.8]
    )
    assert cubic_sparsity(0, 4, 0.8, initial=0.3) == pytest.approx(0.3)
    assert cubic_sparsity(-1, 4, 0.8) == 0


@given(st.integers(1, 1000), st.floats(0, 1), st.floats(0, 1))
def test_it_never_turns_back(steps: int, one: float, other: float) -> None:
    initial, final = sorted((one, other))
    path = [cubic_sparsity(step, steps, final, initial=initial) for step in range(min(steps, 50) + 2)]

    assert all(before <= after + 1e-12 for before, after in pairwise(path))
    assert all(initial - 1e-12 <= sparsity <= final + 1e-12 for sparsity in path)
