"""The order of examples."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.compress.training.data import BatchOrder


def rows_of_epoch(order: BatchOrder, epoch: int) -> list[int]:
    first = epoch * order.batches_an_epoch
    return [row for step in range(first, first + order.batches_an_epoch) for row in order.rows(step)]


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    batch_size=st.integers(1, 7),
    seed=st.integers(0, 2**63 - 1),
    by_length=st.booleans(),
)
def test_an_epoch_shows_each_example_at_most_once(
    lengths: Sequence[int], batch_size: int, seed: int, by_length: bool
) -> None:
    batch_size = min(batch_size, len(lengths))
    order = BatchOrder(len(lengths), batch_size, seed, lengths if by_length else ())

    for epoch in range(2):
        rows = rows_of_epoch(order, epoch)
        assert len(set(rows)) == len(rows) == len(lengths) // batch_size * batch_size
        assert set(rows) <= set(range(len(lengths)))


def test_epochs_and_seeds_differ_and_steps_may_come_in_any_order() -> None:
    order, other = BatchOrder(50, 5, seed=1), BatchOrder(50, 5, seed=2)

    assert rows_of_epoch(order, 0) != rows_of_epoch(order, 1)
    assert rows_of_epoch(order, 0) != rows_of_epoch(other, 0)
    assert order.rows(13) == BatchOrder(50, 5, seed=1).rows(13)


def test_a_batch_has_examples_of_similar_length() -> None:
    lengths = [number % 100 for number in range(400)]
    order = BatchOrder(400, 8, seed=0, lengths=lengths)

    spreads = [
        max(found) - min(found)
        for found in ([lengths[row] for row in order.rows(step)] for step in range(50))
    ]
    firsts = [lengths[order.rows(step)[0]] for step in range(50)]

    assert max(spreads) <= 3
    assert firsts != sorted(firsts)  # short and long batches take turns
