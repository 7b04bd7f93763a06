"""`CachedAttention`: the same bits however a text is cut and beside whom, and it writes where it may."""

import numpy as np
import numpy.typing as npt
import pytest
from export.kernels.attentions import POSITIONS, SLOTS, Attention, random_rows, run_bound, run_step
from export.operators import Operators
from generation.blocked_caches import BlockedCaches
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.graph.onnx_builder import GraphBuilder

Floats = npt.NDArray[np.float32]

LENGTH = 70
KINDS = {
    "floats": Attention(angles=POSITIONS, has_norms=True),
    "halves": Attention(angles=POSITIONS, cache="fp16"),
    "bytes": Attention(angles=POSITIONS, cache="int8"),
    "biased": Attention(heads=5, kv_heads=1, head_size=80, reach=20),
}
by_kind = pytest.mark.parametrize("attention", KINDS.values(), ids=KINDS)

cuts = st.lists(st.integers(1, LENGTH), min_size=1, max_size=12)
neighbours = st.lists(st.integers(0, 30), min_size=12, max_size=12)


def filled(attention: Attention, seed: int = 0) -> BlockedCaches:
    """Caches in which something stands everywhere."""
    caches, generator = attention.caches(), np.random.default_rng(seed)
    for _, array in caches.named():
        array[...] = generator.integers(-99, 99, array.shape)
    return caches


def copy_of(caches: BlockedCaches) -> BlockedCaches:
    return BlockedCaches(
        tuple(array.copy() for array in caches.keys), tuple(array.copy() for array in caches.values)
    )


def assert_same(found: BlockedCaches, wanted: BlockedCaches, slot: int, tokens: slice) -> None:
    """Two caches hold the same bits in some places of a slot."""
    for of in (BlockedCaches.keys_of, BlockedCaches.values_of):
        np.testing.assert_array_equal(
            of(found, 0, slot, POSITIONS)[:, tokens], of(wanted, 0, slot, POSITIONS)[:, tokens]
        )


@by_kind
def test_a_text_has_the_same_bits_however_it_is_cut_and_beside_whom(
    attention: Attention, each_rank: Operators
) -> None:
    session = attention.session(each_rank)
    rows = random_rows(LENGTH, attention.row_width, seed=1)
    other = random_rows(400, attention.row_width, seed=2)
    whole = filled(attention)
    wanted = run_step(session, whole, rows, {1: (0, LENGTH)})

    @given(cuts, neighbours, st.sampled_from([0, 2]))
    def check(lengths: list[int], company: list[int], neighbour: int) -> None:
        caches, past, company_past = filled(attention, seed=5), 0, 0
        for length, beside in zip([*lengths, LENGTH], [*company, 0], strict=False):
            length, beside = min(length, LENGTH - past), min(beside, POSITIONS - company_past)
            shares = {neighbour: (company_past, beside), 1: (past, length)}
            step = np.concatenate([other[:beside], rows[past : past + length]])
            found = run_step(
                session, caches, step, {slot: share for slot, share in shares.items() if share[1]}
            )
            np.testing.assert_array_equal(found[beside:], wanted[past : past + length])
            past, company_past = past + length, company_past + beside
        assert_same(caches, whole, 1, slice(past))

    check()


@by_kind
def test_threads_change_no_bit(attention: Attention, operators: Operators) -> None:
    rows = random_rows(LENGTH + 3, attention.row_width, seed=1)
    shares = {1: (0, LENGTH), 0: (40, 3)}
    alone = filled(attention)
    wanted = run_step(attention.session(operators, threads=1), alone, rows, shares)
    for threads in (2, 5):
        caches = filled(attention)
        found = run_step(attention.session(operators, threads), caches, rows, shares)
        np.testing.assert_array_equal(found, wanted)
        assert_same(caches, alone, 1, slice(None))


@by_kind
def test_nothing_but_the_new_places_is_written(attention: Attention, operators: Operators) -> None:
    session = attention.session(operators)

    @given(st.integers(0, SLOTS - 1), st.integers(0, POSITIONS - 1), st.integers(1, 40))
    def check(slot: int, past: int, length: int) -> None:
        length = min(length, POSITIONS - past)
        caches = filled(attention)
        before = copy_of(caches)

        run_step(session, caches, random_rows(length, attention.row_width, seed=3), {slot: (past, length)})

        for other in set(range(SLOTS)) - {slot}:
            assert_same(caches, before, other, slice(None))
        assert_same(caches, before, slot, slice(past))
        assert_same(caches, before, slot, slice(past + length, None))
        width = attention.head_size
        np.testing.assert_array_equal(caches.values[0][..., width:], before.values[0][..., width:])

    check()


@by_kind
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_spoils_no_other_slot(
    attention: Attention, bad: float, each_rank: Operators
) -> None:
    session = attention.session(each_rank)
    rows = random_rows(12, attention.row_width, seed=4)
    shares = {0: (3, 5), 2: (30, 1), 1: (20, 6)}
    healthy = run_step(session, filled(attention), rows, shares)
    for spoilt_row, own in ((2, slice(0, 5)), (5, slice(5, 6)), (11, slice(6, 12))):
        spoilt = rows.copy()
        spoilt[spoilt_row] = bad

        found = run_step(session, filled(attention), spoilt, shares)

        assert not np.isfinite(found[spoilt_row]).any()
        others = np.delete(np.arange(12), own)
        np.testing.assert_array_equal(found[others], healthy[others])


def test_what_half_a_float_cannot_hold_becomes_its_largest(each_rank: Operators) -> None:
    attention = Attention(heads=2, kv_heads=2, head_size=4, cache="fp16")
    rows = np.array([[65504, -1e6, 1e30, 1e-9] * 6], np.float32)
    caches = attention.caches()

    found = run_step(attention.session(each_rank), caches, rows, {0: (0, 1)})

    held = [[[65504, -65504, 65504, 0]]] * 2
    np.testing.assert_array_equal(caches.keys_of(0, 0, 1), held)
    np.testing.assert_array_equal(caches.values_of(0, 0, 1), held)
    np.testing.assert_array_equal(found, np.ravel(held)[None])


@pytest.mark.parametrize(
    ("shares", "rows", "message"),
    [
        ([(SLOTS, 0, 1)], 1, "1 rows behind 0 of slot 3; there are 3 slots of 96"),
        ([(-1, 0, 1)], 1, "1 rows behind 0 of slot -1; there are 3 slots of 96"),
        ([(0, 0, 1), (1, -1, 1)], 2, "1 rows behind -1 of slot 1"),
        ([(0, 5, 0)], 0, "0 rows behind 5 of slot 0"),
        ([(0, 5, -2)], 0, "-2 rows behind 5 of slot 0"),
        ([(0, 0, 97)], 97, "97 rows behind 0 of slot 0; there are 3 slots of 96"),
        ([(2, 90, 7)], 7, "7 rows behind 90 of slot 2"),
        ([(2, 2**31 - 1, 1)], 1, "1 rows behind 2147483647 of slot 2"),
        ([(0, 0, 2), (1, 0, 2)], 3, "the shares have 4 rows, the input 3"),
        ([(0, 0, 2)], 3, "the shares have 2 rows, the input 3"),
        ([], 1, "the shares have 0 rows, the input 1"),
    ],
)
def test_shares_that_do_not_fit_are_refused_and_write_nothing(
    shares: list[tuple[int, int, int]], rows: int, message: str, operators: Operators
) -> None:
    attention = Attention()
    caches = filled(attention)
    before = copy_of(caches)
    numbers = np.array(shares, np.int32).reshape(-1, 3).T
    inputs = dict(zip(("slots", "pasts", "lengths"), map(np.ascontiguousarray, numbers), strict=True))
    inputs["rows"] = random_rows(rows, attention.row_width, seed=1)

    with pytest.raises(RuntimeError, match=message):
        run_bound(attention.session(operators), dict(caches.named()) | inputs)

    for (_, found), (_, wanted) in zip(caches.named(), before.named(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_positions_without_an_angle_are_refused(operators: Operators) -> None:
    attention = Attention(angles=20)
    session, rows = attention.session(operators), random_rows(4, attention.row_width, seed=1)
    run_step(session, attention.caches(), rows, {0: (16, 4)})
    with pytest.raises(RuntimeError, match="4 rows behind 17 of slot 0; there are 3 slots of 20"):
        run_step(session, attention.caches(), rows, {0: (17, 4)})


@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_size"), [(4, 3, 8), (0, 1, 8), (4, 0, 8), (4, -2, 8), (4, 2, 0)]
)
def test_heads_that_cannot_be_shared_out_are_refused(
    heads: int, kv_heads: int, head_size: int, operators: Operators
) -> None:
    graph = GraphBuilder("wrong")
    rows = graph.input("rows", np.float32, ["rows", 8])
    widths = {"heads": heads, "kv_heads": kv_heads, "head_size": head_size}
    graph.output(graph.apply("SourceAttention", rows, domain="triton_rag", **widths), np.float32, ["rows", 8])
    with pytest.raises(Exception, match=f"{heads} heads over {kv_heads} of {head_size} channels"):
        operators.session(graph)
