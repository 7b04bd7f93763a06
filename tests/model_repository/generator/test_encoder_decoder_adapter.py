from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from export.graph.tiny_encoder_decoder_models import (
    SIZES,
    VOCABULARY,
    described,
    random_tokens,
    served_answers,
    tiny_bart,
    tiny_flan,
)
from generation import PromptError, SettingsError, SlotRows
from generation.blocked_caches import BlockedCaches
from generation.encoder_decoder import EncoderDecoderAdapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from triton_rag_export.graph.encoder_decoder import write_encoder_decoder

SLOTS, CAPACITY, SOURCE_CAPACITY = SIZES["slots"], SIZES["capacity"], SIZES["source_capacity"]
ROWS = SIZES["max_rows_a_step"]
MODELS = {"t5": tiny_flan, "bart": tiny_bart}
SERVED = [(name, *kinds) for name in MODELS for kinds in (("fp32", "fp32"), ("int8", "fp16"))]


@pytest.fixture(scope="module", params=SERVED, ids="-".join)
def folder(request, tmp_path_factory) -> Path:
    name, precision, cache = request.param
    folder = tmp_path_factory.mktemp(f"{name}-{precision}")
    write_encoder_decoder(described(MODELS[name]()), precision, frozenset({1, 2}), folder, cache)
    return folder


@pytest.fixture(scope="module")
def load(folder) -> Callable[..., EncoderDecoderAdapter]:
    return lambda **sizes: EncoderDecoderAdapter.load(folder, **(SIZES | sizes))


@pytest.fixture(scope="module")
def adapter(load) -> EncoderDecoderAdapter:
    return load()


def share(slot: int, token_ids: list[int], past: int = 0, outputs: int = 1) -> SlotRows:
    return SlotRows(slot, tuple(token_ids), past, outputs)


def logits(adapter: EncoderDecoderAdapter, *rows: SlotRows) -> np.ndarray:
    return adapter.step(rows, logits=True).logits


def test_sizes_and_tokens_are_known_before_the_first_step(adapter):
    assert (adapter.slots, adapter.capacity, adapter.max_rows_a_step) == (SLOTS, CAPACITY, ROWS)
    assert adapter.source_capacity == SOURCE_CAPACITY
    assert adapter.vocabulary_size == VOCABULARY
    assert adapter.end_token_ids == {1, 2}
    assert adapter.cache_bytes > 0


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_slot_gets_the_same_bits_alone_and_among_neighbours(adapter, data):
    slots = data.draw(st.lists(st.integers(0, SLOTS - 1), min_size=1, unique=True))
    sources = [random_tokens(data.draw(st.integers(1, SOURCE_CAPACITY)), seed=slot) for slot in slots]
    firsts = [random_tokens(data.draw(st.integers(1, ROWS)), seed=slot + 10) for slot in slots]
    nexts = [random_tokens(data.draw(st.integers(1, 5)), seed=slot + 20) for slot in slots]
    expected = []
    for source, first, new in zip(sources, firsts, nexts, strict=True):
        adapter.start(0, source)
        alone = logits(adapter, share(0, first))
        expected.append((alone, logits(adapter, share(0, new, len(first), len(new)))))

    for slot, source in zip(slots, sources, strict=True):
        adapter.start(slot, source)
    together = logits(adapter, *(share(slot, first) for slot, first in zip(slots, firsts, strict=True)))
    assert_array_equal(together, np.concatenate([first for first, _ in expected]))
    result = adapter.step(
        [
            share(slot, new, len(first), len(new))
            for slot, first, new in zip(slots, firsts, nexts, strict=True)
        ],
        logits=True,
    )
    assert_array_equal(result.logits, np.concatenate([new for _, new in expected]))
    assert_array_equal(result.token_ids, result.logits.argmax(axis=1))
    assert_array_equal(result.best_scores, result.logits.max(axis=1))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, ROWS), min_size=2, max_size=6).filter(lambda cuts: sum(cuts) <= CAPACITY))
def test_how_an_answer_is_cut_into_chunks_changes_no_bit(adapter, lengths):
    target = random_tokens(sum(lengths))
    for slot in (0, 1):
        adapter.start(slot, random_tokens(40))

    one_by_one = [logits(adapter, share(0, target[at : at + 1], at)) for at in range(len(target))]
    ends = np.cumsum(lengths).tolist()
    cut = [
        logits(adapter, share(1, target[end - length : end], end - length, length))
        for end, length in zip(ends, lengths, strict=True)
    ]

    assert_array_equal(np.concatenate(cut), np.concatenate(one_by_one))


def test_eight_answers_are_the_same_alone_and_together(load):
    adapter = load(slots=8)
    sources = [random_tokens(length, seed=length) for length in (1, 2, 9, 17, 30, 44, 61, 70)]

    together = served_answers(adapter, sources, 20)

    assert [served_answers(adapter, [source], 20, first_slot=5)[0] for source in sources] == together


def test_a_source_joins_without_touching_running_answers(adapter):
    adapter.start(1, random_tokens(30))
    target = random_tokens(12)
    logits(adapter, share(1, target[:6]))
    expected = logits(adapter, share(1, target[6:], 6, 6))

    adapter.start(1, random_tokens(30))
    logits(adapter, share(1, target[:6]))
    adapter.start(0, random_tokens(SOURCE_CAPACITY, seed=1))
    adapter.start(2, random_tokens(SOURCE_CAPACITY, seed=2))

    assert_array_equal(logits(adapter, share(1, target[6:], 6, 6)), expected)


def test_a_shorter_source_forgets_the_longer_one_before_it(adapter):
    adapter.start(0, random_tokens(9, seed=1))
    expected = logits(adapter, share(0, [5, 6]))

    adapter.start(0, random_tokens(SOURCE_CAPACITY, seed=2))
    logits(adapter, share(0, random_tokens(ROWS)))
    adapter.start(0, random_tokens(9, seed=1))

    assert_array_equal(logits(adapter, share(0, [5, 6])), expected)


def test_answers_do_not_depend_on_the_capacity(load):
    source = random_tokens(40)

    answers = [
        served_answers(load(source_capacity=source_capacity, capacity=capacity), [source], 15)
        for source_capacity, capacity in ((40, 20), (63, 31), (70, 40))
    ]

    assert answers[0] == answers[1] == answers[2]


def test_caches_are_written_in_place_and_neighbours_stay(adapter):
    for slot in range(SLOTS):
        adapter.start(slot, random_tokens(20 + slot, seed=slot))
        logits(adapter, share(slot, random_tokens(8, seed=slot)))
    own, sources = adapter._caches, adapter._sources
    addresses = [array.ctypes.data for caches in (own, sources) for _, array in caches.named()]
    before = [held(own, 1, 8), held(sources, 1, 21), held(own, 2, 8), held(sources, 2, 22), held(own, 0, 8)]

    adapter.start(0, random_tokens(15, seed=9))
    adapter.step([share(0, [5, 6], 8), share(2, [7], 8)], logits=False)

    after = [held(own, 1, 8), held(sources, 1, 21), held(own, 2, 8), held(sources, 2, 22), held(own, 0, 8)]
    assert_array_equal(np.concatenate(after, axis=1), np.concatenate(before, axis=1))
    assert (held(own, 0, 10)[:, 8:] != 0).any()
    assert addresses == [array.ctypes.data for caches in (own, sources) for _, array in caches.named()]


def held(caches: BlockedCaches, slot: int, tokens: int) -> np.ndarray:
    """The keys and values of a slot's first tokens, (layers and heads, tokens, head_size)."""
    layers = range(len(caches.keys))
    keys = [caches.keys_of(layer, slot, tokens) for layer in layers]
    return np.concatenate(keys + [caches.values_of(layer, slot, tokens) for layer in layers])


def test_a_slot_holds_its_whole_capacity(adapter):
    adapter.start(0, random_tokens(SOURCE_CAPACITY))
    target = random_tokens(CAPACITY)
    for start in range(0, CAPACITY, 20):
        logits(adapter, share(0, target[start : start + 20], start))

    with pytest.raises(ValueError, match="slot 0: past is 40; allowed: 0 to 39"):
        adapter.step([share(0, [5], CAPACITY)], logits=False)


def test_a_request_that_can_never_fit_is_refused_with_the_numbers(adapter):
    most = CAPACITY - len(adapter.start_token_ids)
    adapter.check_room(SOURCE_CAPACITY, most)

    with pytest.raises(PromptError, match="PROMPT_IDS has 71 tokens; allowed: 70"):
        adapter.check_room(SOURCE_CAPACITY + 1, 1)
    with pytest.raises(PromptError, match=f"MAX_TOKENS is {most + 1}; allowed: {most}"):
        adapter.check_room(1, most + 1)


def test_a_slot_without_a_source_is_refused(load):
    with pytest.raises(ValueError, match="slot 1 has no source yet"):
        load().step([share(1, [5])], logits=False)


@pytest.mark.parametrize(
    ("slot", "source", "message"),
    [
        (SLOTS, [5], "slot is 3; allowed: 0 to 2"),
        (1, [], "slot 1: source tokens is 0; allowed: 1 to 70"),
        (1, [5] * 71, "slot 1: source tokens is 71; allowed: 1 to 70"),
        (1, [5, 10**6], "slot 1: token id is 1000000; allowed: 0 to 300"),
    ],
)
def test_sources_that_do_not_fit_are_refused(adapter, slot, source, message):
    with pytest.raises(ValueError, match=message):
        adapter.start(slot, source)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "a step without rows"),
        ([share(0, [5]), share(0, [6])], "a slot appears twice"),
        ([share(1, [5] * (ROWS + 1))], "slot 1: rows is 25; allowed: 1 to 24"),
        ([share(1, [5], 0, 2)], "slot 1: outputs is 2; allowed: 0 to 1"),
        ([share(1, [-1])], "slot 1: token id is -1; allowed: 0 to 300"),
    ],
)
def test_rows_that_do_not_fit_are_refused(adapter, rows, message):
    with pytest.raises(ValueError, match=message):
        adapter.step(rows, logits=False)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"slots": 0}, "slots is 0; allowed: 1 to"),
        ({"capacity": 1}, "capacity is 1; allowed: 2 to"),
        ({"source_capacity": 0}, "source_capacity is 0; allowed: 1 to"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(load, sizes, message):
    with pytest.raises(SettingsError, match=message):
        load(**sizes)


def test_learned_positions_limit_both_sides(tmp_path):
    write_encoder_decoder(described(tiny_bart()), "fp32", frozenset({2}), tmp_path)

    for name in ("capacity", "source_capacity"):
        with pytest.raises(SettingsError, match=f"{name} is 81; allowed: . to 80"):
            EncoderDecoderAdapter.load(tmp_path, **(SIZES | {name: 81}))


@pytest.mark.parametrize("missing", ["generator.json", "generator.onnx", "source_encoder.onnx"])
def test_a_missing_file_is_named(missing, folder, tmp_path):
    for path in folder.iterdir():
        if path.name != missing:
            (tmp_path / path.name).symlink_to(path)

    with pytest.raises(SettingsError, match=missing):
        EncoderDecoderAdapter.load(tmp_path, **SIZES)
