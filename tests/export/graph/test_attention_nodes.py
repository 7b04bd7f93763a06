"""Attention over caches gives what NumPy gives, for every kind of head, position and cache."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from export.kernels.attentions import POSITIONS, SLOTS, Attention, random_rows, run_step
from export.operators import Operators
from generation.blocked_caches import BlockedCaches
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.graph.attention_nodes import Caches
from triton_rag_export.graph.onnx_builder import GraphBuilder

Floats = npt.NDArray[np.float32]

ATTENTIONS = {
    "plain": Attention(),
    "one key head, small": Attention(heads=3, kv_heads=1, head_size=4),
    "as many key heads": Attention(heads=2, kv_heads=2, head_size=16),
    "wide": Attention(heads=8, kv_heads=2, head_size=64),
    "wider": Attention(heads=2, kv_heads=1, head_size=80),
    "rotary": Attention(angles=POSITIONS),
    "head norms": Attention(has_norms=True),
    "bias of short reach": Attention(reach=5),
    "bias of long reach": Attention(reach=200),
    "halves": Attention(cache="fp16"),
    "bytes": Attention(cache="int8"),
    "everything": Attention(6, 2, 12, angles=POSITIONS, has_norms=True, reach=POSITIONS // 2, cache="int8"),
}

shapes = st.builds(
    lambda group, shape: replace(shape, heads=group * shape.kv_heads),
    st.integers(1, 7),
    st.builds(
        Attention,
        kv_heads=st.integers(1, 3),
        head_size=st.sampled_from([4, 12, 16, 64, 80]),
        angles=st.sampled_from([0, POSITIONS]),
        has_norms=st.booleans(),
        reach=st.sampled_from([None, 0, 1, 20, 200]),
        cache=st.sampled_from(["fp32", "fp16", "int8"]),
    ),
)
slots = st.permutations(range(SLOTS)).flatmap(lambda order: st.integers(1, SLOTS).map(lambda n: order[:n]))
shares = slots.flatmap(
    lambda chosen: st.tuples(
        *(st.tuples(st.just(slot), st.integers(0, 60), st.integers(1, 36)) for slot in chosen)
    )
)
Shares = tuple[tuple[int, int, int], ...]


def keys_and_values(
    attention: Attention, caches: BlockedCaches, slot: int, tokens: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What a slot's cache says, (kv_heads, tokens, head_size) each."""
    keys = caches.keys_of(0, slot, tokens).astype(np.float64)
    values = caches.values_of(0, slot, tokens).astype(np.float64)
    if attention.cache != "int8":
        return keys, values
    key_scale, value_scale = attention.cache_scales
    return keys * key_scale[:, None], values * value_scale[:, None]


def check_cache(attention: Attention, caches: BlockedCaches, slot: int, past: int, rows: Floats) -> None:
    """The new keys and values lie in the cache, as near as it can hold them."""
    _, keys, values = attention.parts(rows)
    keys = attention.placed(keys, attention.shape.key_norm, past)
    stored = keys_and_values(attention, caches, slot, past + len(rows))
    for found, wanted, scale in zip(stored, (keys, values), attention.cache_scales, strict=True):
        step = scale[:, None].astype(np.float64)
        if attention.cache == "int8":
            wanted, allowed = np.clip(wanted, -128 * step, 127 * step), 0.501 * step
        else:
            rounding = 1e-6 if attention.cache == "fp32" else 0.501 * 2**-10
            allowed = rounding * np.abs(wanted) + 1e-6
        assert (np.abs(found[:, past:] - wanted) <= allowed).all()


def check(attention: Attention, chosen: Shares, seed: int, operators: Operators) -> None:
    """Fill each slot up to its past, then one step of all; each as NumPy has it."""
    session, caches = attention.session(operators), attention.caches()
    for slot, past, _ in chosen:
        if past:
            beginning = random_rows(past, attention.row_width, seed + slot + 1)
            run_step(session, caches, beginning, {slot: (0, past)})
            check_cache(attention, caches, slot, 0, beginning)
    rows = random_rows(sum(length for _, _, length in chosen), attention.row_width, seed)

    found = run_step(session, caches, rows, {slot: (past, length) for slot, past, length in chosen})

    start = 0
    for slot, past, length in chosen:
        own = rows[start : start + length]
        check_cache(attention, caches, slot, past, own)
        queries = attention.placed(attention.parts(own)[0], attention.shape.query_norm, past)
        wanted = attention.expected(queries, *keys_and_values(attention, caches, slot, past + length), past)
        np.testing.assert_allclose(found[start : start + length], wanted, rtol=1e-4, atol=1e-5)
        start += length


@pytest.mark.parametrize("attention", ATTENTIONS.values(), ids=ATTENTIONS)
def test_every_kind_gives_what_numpy_gives(attention: Attention, each_rank: Operators) -> None:
    check(attention, ((2, 40, 3), (0, 0, 36), (1, 17, 1)), 0, each_rank)
    check(attention, ((1, 15, 1), (2, 31, 5)), 1, each_rank)


def test_any_slots_of_any_heads_give_what_numpy_gives(operators: Operators) -> None:
    @given(shapes, shares, st.integers(0, 1000))
    def any_step(attention: Attention, chosen: Shares, seed: int) -> None:
        check(attention, chosen, seed, operators)

    any_step()


def test_no_rows_at_all_give_none(operators: Operators) -> None:
    attention = Attention()
    nothing = np.zeros((0, attention.row_width), np.float32)
    found = run_step(attention.session(operators), attention.caches(), nothing, {})
    assert found.shape == (0, 72)


@pytest.mark.parametrize(("kind", "bits"), [("fp32", 32), ("fp16", 16), ("int8", 8)])
def test_declared_caches_fit_what_serving_allocates(kind: str, bits: int) -> None:
    graph = GraphBuilder("caches")
    declared = Caches.declare(graph, "cache_0", kv_heads=2, head_size=12, kind=kind)
    allocated = dict(Attention(cache=kind).caches().named())
    assert [declared.keys, declared.values] == list(allocated)
    assert {8 * array.itemsize for array in allocated.values()} == {declared.bits} == {bits}
    assert [array.shape for array in allocated.values()] == [
        (SLOTS, 2, POSITIONS // 16, 12, 16),
        (SLOTS, 2, POSITIONS, 16),
    ]
