"""A slot of an encoder-decoder model that gets what another one has read goes on as that one does."""

import numpy as np
import pytest
from export.graph.tiny_encoder_decoder_models import (
    END,
    SIZES,
    described,
    random_tokens,
    tiny_bart,
    tiny_flan,
)
from generation import SlotRows
from generation.encoder_decoder import EncoderDecoderAdapter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from triton_rag_export.graph.encoder_decoder import write_encoder_decoder

SLOTS, SOURCE_CAPACITY = SIZES["slots"], SIZES["source_capacity"]
MODELS = {"t5": tiny_flan, "bart": tiny_bart}


WRITTEN = [("fp32", "fp32"), ("int8", "fp32"), ("int8", "fp16")]  # precision and cache


@pytest.fixture(scope="module", params=[(name, *written) for name in MODELS for written in WRITTEN])
def adapter(request, tmp_path_factory) -> EncoderDecoderAdapter:
    name, precision, cache = request.param
    folder = tmp_path_factory.mktemp(name)
    write_encoder_decoder(described(MODELS[name]()), precision, frozenset({END}), folder, cache)
    return EncoderDecoderAdapter.load(folder, **SIZES)


def logits(adapter: EncoderDecoderAdapter, slot: int, token_ids: list[int], past: int = 0) -> np.ndarray:
    return adapter.step([SlotRows(slot, tuple(token_ids), past, len(token_ids))], logits=True).logits


@settings(max_examples=20, deadline=None)
@given(
    slots=st.permutations(range(SLOTS)),
    tokens=st.integers(1, 20),
    source_tokens=st.integers(1, SOURCE_CAPACITY),
)
def test_a_copied_beginning_goes_on_with_the_same_bits(
    adapter: EncoderDecoderAdapter, slots: list[int], tokens: int, source_tokens: int
) -> None:
    source, target = slots[:2]
    adapter.start(target, random_tokens(SOURCE_CAPACITY, seed=1))
    logits(adapter, target, random_tokens(20, seed=2))
    adapter.start(source, random_tokens(source_tokens, seed=3))
    logits(adapter, source, random_tokens(20, seed=4))

    adapter.copy_prefix(source, target, tokens)

    expected = logits(adapter, source, [5, 6], tokens)
    assert_array_equal(logits(adapter, target, [5, 6], tokens), expected)


def test_a_slot_that_read_another_source_since_gets_the_first_one_again(
    adapter: EncoderDecoderAdapter,
) -> None:
    adapter.start(0, random_tokens(30, seed=1))
    expected = logits(adapter, 0, [5, 6])
    adapter.copy_prefix(0, 1, 2)
    adapter.start(1, random_tokens(30, seed=2))
    assert (logits(adapter, 1, [5, 6]) != expected).any()

    adapter.copy_prefix(0, 1, 2)

    assert_array_equal(logits(adapter, 1, [5, 6]), expected)


def test_a_source_that_is_there_already_is_not_copied(adapter: EncoderDecoderAdapter) -> None:
    adapter.start(0, random_tokens(30, seed=1))
    adapter.copy_prefix(0, 1, 2)
    for array in (*adapter._sources.keys, *adapter._sources.values):
        array[0] = 0
    before = [array[1].copy() for array in adapter._sources.keys]

    adapter.copy_prefix(0, 1, 2)

    for array, kept in zip(adapter._sources.keys, before, strict=True):
        assert_array_equal(array[1], kept)


@pytest.mark.parametrize(
    ("source", "target", "tokens", "message"),
    [
        (SLOTS, 0, 1, "source slot is 3; allowed: 0 to 2"),
        (0, -1, 1, "target slot is -1; allowed: 0 to 2"),
        (0, 1, 41, "slot 0: tokens is 41; allowed: 0 to 40"),
    ],
)
def test_what_cannot_be_copied_is_refused(
    adapter: EncoderDecoderAdapter, source: int, target: int, tokens: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        adapter.copy_prefix(source, target, tokens)
