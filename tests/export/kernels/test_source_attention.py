"""What a decoder sees of its source: all tokens attend to all, are stored, and are attended to."""

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from export.kernels.attentions import SLOTS, attended, random_rows, run_bound
from export.operators import Operators
from generation.blocked_caches import DTYPES, BlockedCaches
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.graph.attention_nodes import (
    AttentionShape,
    Caches,
    StepInputs,
    cross_attention_node,
    source_attention_node,
    store_source_node,
)
from triton_rag_export.graph.onnx_builder import GraphBuilder

Floats = npt.NDArray[np.float32]

ROOM = 64
HEADS = 3
kinds = pytest.mark.parametrize("kind", ["fp32", "fp16"])
head_sizes = pytest.mark.parametrize("head_size", [4, 12, 16, 64, 80])


def shape_of(head_size: int) -> AttentionShape:
    return AttentionShape(HEADS, HEADS, head_size, scale=head_size**-0.5)


def heads_of(rows: Floats, head_size: int) -> list[npt.NDArray[np.float64]]:
    """What lies side by side in rows, (heads, rows, head_size) each."""
    by_head = rows.astype(np.float64).reshape(len(rows), -1, head_size).transpose(1, 0, 2)
    return np.split(by_head, len(by_head) // HEADS)


def source_session(
    operators: Operators,
    head_size: int,
    biases: Floats | None = None,
    *,
    has_lengths: bool = False,
    threads: int = 2,
) -> onnxruntime.InferenceSession:
    graph = GraphBuilder("source")
    rows = graph.input("rows", np.float32, ["rows", 3 * HEADS * head_size])
    bias = "" if biases is None else graph.constant(biases)
    lengths = graph.input("lengths", np.int32, ["sources"]) if has_lengths else ""
    made = source_attention_node(graph, rows, shape_of(head_size), bias=bias, lengths=lengths)
    graph.output(made, np.float32, ["rows", HEADS * head_size])
    return operators.session(graph, threads=threads)


def store_session(operators: Operators, head_size: int, kind: str = "fp32") -> onnxruntime.InferenceSession:
    graph = GraphBuilder("store")
    rows = graph.input("rows", np.float32, ["rows", 2 * HEADS * head_size])
    caches = Caches.declare(graph, "cache_0", HEADS, head_size, kind)
    slot = graph.input("slot", np.int32, ["shares"])
    store_source_node(graph, rows, shape_of(head_size), caches, slot, "written")
    return operators.session(graph)


def cross_session(operators: Operators, head_size: int, kind: str = "fp32") -> onnxruntime.InferenceSession:
    graph = GraphBuilder("cross")
    rows = graph.input("rows", np.float32, ["rows", HEADS * head_size])
    step = StepInputs.declare(graph)
    lengths = graph.input("source_lengths", np.int32, ["shares"])
    caches = Caches.declare(graph, "cache_0", HEADS, head_size, kind)
    made = cross_attention_node(graph, rows, step, lengths, shape_of(head_size), caches)
    graph.output(made, np.float32, ["rows", HEADS * head_size])
    return operators.session(graph)


def empty_caches(head_size: int, kind: str = "fp32") -> BlockedCaches:
    return BlockedCaches.allocate(SLOTS, [HEADS], ROOM, head_size, kind)


def store(session: onnxruntime.InferenceSession, caches: BlockedCaches, rows: Floats, *slots: int) -> Floats:
    return run_bound(session, dict(caches.named()) | {"rows": rows, "slot": np.array(slots, np.int32)})


def cross(
    session: onnxruntime.InferenceSession, caches: BlockedCaches, rows: Floats, *shares: tuple[int, int, int]
) -> Floats:
    """Attend with each share's rows; shares are (slot, rows, tokens of its source)."""
    slots, lengths, sources = np.ascontiguousarray(np.array(shares, np.int32).T)
    inputs = {"rows": rows, "slots": slots, "lengths": lengths, "source_lengths": sources}
    inputs["pasts"] = np.zeros(len(shares), np.int32)
    return run_bound(session, dict(caches.named()) | inputs)


@pytest.mark.parametrize("reach", [None, 3, 100])
@head_sizes
def test_all_tokens_of_a_source_attend_to_all(
    head_size: int, reach: int | None, each_rank: Operators
) -> None:
    biases = None
    if reach is not None:
        biases = random_rows(HEADS, 2 * reach + 1, seed=7)
    session = source_session(each_rank, head_size, biases)
    for count in (0, 1, 8, 9, 15, 16, 17, 50):
        rows = random_rows(count, 3 * HEADS * head_size, seed=count)
        (found,) = session.run(None, {"rows": rows})
        assert found.shape == (count, HEADS * head_size)
        if count:
            distances = np.arange(count) - np.arange(count)[:, None]
            bias = 0.0 if biases is None else biases[:, reach + np.clip(distances, -reach, reach)]
            wanted = attended(*heads_of(rows, head_size), head_size**-0.5, bias)
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("reach", [None, 3])
@pytest.mark.parametrize("head_size", [12, 32, 80])
def test_sources_one_behind_another_have_the_same_bits_as_alone(
    head_size: int, reach: int | None, threads: int, each_rank: Operators
) -> None:
    biases = None if reach is None else random_rows(HEADS, 2 * reach + 1, seed=7)
    together = source_session(each_rank, head_size, biases, has_lengths=True, threads=threads)
    alone = source_session(each_rank, head_size, biases)

    @given(st.lists(st.integers(1, 130), min_size=1, max_size=8), st.integers(0, 100))
    def check(lengths: list[int], seed: int) -> None:
        rows = random_rows(sum(lengths), 3 * HEADS * head_size, seed)
        (found,) = together.run(None, {"rows": rows, "lengths": np.array(lengths, np.int32)})
        for own, result in zip(*(np.split(each, np.cumsum(lengths)) for each in (rows, found)), strict=True):
            if len(own):
                np.testing.assert_array_equal(alone.run(None, {"rows": own})[0], result)

    check()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_spoils_its_own_source_alone(bad: float, each_rank: Operators) -> None:
    session = source_session(each_rank, 12, has_lengths=True)
    rows, lengths = random_rows(50, 3 * HEADS * 12, seed=1), np.array([20, 17, 13], np.int32)
    (healthy,) = session.run(None, {"rows": rows, "lengths": lengths})
    spoilt = rows.copy()
    spoilt[25, HEADS * 12 + 5] = bad  # a key of the first head of the second source
    (found,) = session.run(None, {"rows": spoilt, "lengths": lengths})
    assert not np.isfinite(found[20:37, :12]).any()
    np.testing.assert_array_equal(np.delete(found, np.s_[20:37], 0), np.delete(healthy, np.s_[20:37], 0))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 0], "SourceAttention: text 1 has 0 tokens; allowed: 1 or more"),
        ([4, -1], "SourceAttention: text 1 has -1 tokens; allowed: 1 or more"),
        ([2], "SourceAttention: the texts have 2 tokens, the input 3"),
        ([], "SourceAttention: the texts have 0 tokens, the input 3"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths: list[int], message: str, operators: Operators) -> None:
    session = source_session(operators, 12, has_lengths=True)
    with pytest.raises(Exception, match=message):
        session.run(None, {"rows": random_rows(3, 3 * HEADS * 12, 1), "lengths": np.array(lengths, np.int32)})


@kinds
@head_sizes
def test_a_source_is_stored_in_its_slot_alone(head_size: int, kind: str, operators: Operators) -> None:
    session, caches = store_session(operators, head_size, kind), empty_caches(head_size, kind)
    long, short = (random_rows(count, 2 * HEADS * head_size, seed=count) for count in (ROOM, 17))

    assert store(session, caches, long, 1).tolist() == [[ROOM]]
    assert store(session, caches, short, 1).tolist() == [[17]]

    keys, values = (
        np.concatenate([new, old[:, 17:]], axis=1).astype(DTYPES[kind])
        for new, old in zip(heads_of(short, head_size), heads_of(long, head_size), strict=True)
    )
    np.testing.assert_array_equal(caches.keys_of(0, 1, ROOM), keys)
    np.testing.assert_array_equal(caches.values_of(0, 1, ROOM), values)
    assert not any(array[[0, 2]].any() for _, array in caches.named())


@kinds
@head_sizes
def test_each_slots_rows_attend_to_its_own_source(head_size: int, kind: str, each_rank: Operators) -> None:
    width = HEADS * head_size
    sources = [random_rows(count, 2 * width, seed=count) for count in (ROOM, 1, 33)]
    sources = [source.astype(DTYPES[kind]).astype(np.float32) for source in sources]
    caches, storing = empty_caches(head_size, kind), store_session(each_rank, head_size, kind)
    crossing = cross_session(each_rank, head_size, kind)
    for slot, source in enumerate(sources):
        store(storing, caches, source, slot)

    @given(st.permutations(range(SLOTS)), st.lists(st.integers(1, 30), min_size=1, max_size=SLOTS))
    def check(order: list[int], lengths: list[int]) -> None:
        rows = random_rows(sum(lengths), width, seed=len(order))
        shares = [(slot, n, len(sources[slot])) for slot, n in zip(order, lengths, strict=False)]
        found = cross(crossing, caches, rows, *shares)
        start = 0
        for slot, length, tokens in shares:
            own = rows[start : start + length]
            wanted = attended(
                *heads_of(own, head_size), *heads_of(sources[slot], head_size), head_size**-0.5, 0.0
            )
            np.testing.assert_allclose(found[start : start + length], wanted, rtol=1e-4, atol=1e-5)
            for row in range(length):
                alone = cross(crossing, caches, own[row : row + 1], (slot, 1, tokens))
                np.testing.assert_array_equal(alone[0], found[start + row])
            start += length

    check()


def test_what_lies_behind_a_source_is_not_seen(operators: Operators) -> None:
    caches, rows = empty_caches(12), random_rows(3, HEADS * 12, seed=1)
    store(store_session(operators, 12), caches, random_rows(20, 2 * HEADS * 12, seed=2), 0)
    session = cross_session(operators, 12)
    clean = cross(session, caches, rows, (0, 3, 20))

    caches.keys[0][0, :, 1, :, 4:] = np.nan
    caches.keys[0][0, :, 2:] = np.nan
    caches.values[0][0, :, 20:] = np.nan

    np.testing.assert_array_equal(cross(session, caches, rows, (0, 3, 20)), clean)


def test_sources_that_do_not_fit_are_refused(operators: Operators) -> None:
    session, caches = store_session(operators, 12), empty_caches(12)
    for count, slots, message in (
        (65, (0,), "65 rows behind 0 of slot 0; there are 3 slots of 64"),
        (3, (3,), "3 rows behind 0 of slot 3; there are 3 slots of 64"),
        (0, (0,), "0 rows behind 0 of slot 0"),
        (3, (0, 1), "StoreSource: 2 slots; allowed: 1"),
    ):
        with pytest.raises(RuntimeError, match=message):
            store(session, caches, random_rows(count, 2 * HEADS * 12, seed=1), *slots)
    assert not any(array.any() for _, array in caches.named())


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ((0, 2, 0), "a source of 0 tokens; allowed: 1 to 64"),
        ((0, 2, 65), "a source of 65 tokens; allowed: 1 to 64"),
        ((3, 2, 5), "2 rows behind 0 of slot 3; there are 3 slots"),
        ((-1, 2, 5), "2 rows behind 0 of slot -1; there are 3 slots"),
        ((0, 1, 5), "the shares have 1 rows, the input 2"),
        ((0, 3, 5), "3 rows behind 0 of slot 0"),
    ],
)
def test_rows_that_fit_no_source_are_refused(
    share: tuple[int, int, int], message: str, operators: Operators
) -> None:
    session = cross_session(operators, 12)
    with pytest.raises(RuntimeError, match=message):
        cross(session, empty_caches(12), random_rows(2, HEADS * 12, seed=1), share)
