"""Students are made of the layers that were asked for, and strangers are refused."""

import pytest
import torch
from export.graph.tiny_causal_models import random_tokens, tiny_llama, tiny_qwen3
from export.graph.tiny_encoder_decoder_models import tiny_bart, tiny_t5
from hypothesis import given
from hypothesis import strategies as st
from tiny_encoders import byte_tokenizer
from transformers import PreTrainedTokenizerFast
from triton_rag_export.compress.distil_generator.batches import Collator
from triton_rag_export.compress.distil_generator.examples import Example
from triton_rag_export.compress.distil_generator.student import (
    block_influence,
    check_vocabularies,
    most_influential,
    spaced,
    student_of_layers,
)
from triton_rag_export.errors import UnsupportedModelError

EXAMPLES = [Example(tuple(random_tokens(9)), tuple(random_tokens(5, seed=1))), Example((3, 4), (5,))]


def batch_for(model, **collator):
    collate = Collator(is_encoder_decoder=model.config.is_encoder_decoder, **({"pad_token_id": 0} | collator))
    return collate(list(enumerate(EXAMPLES)))


@given(st.integers(1, 60).flatmap(lambda total: st.tuples(st.just(total), st.integers(1, total))))
def test_spaced_layers_are_so_many_in_order_from_the_first_to_the_last(sizes: tuple[int, int]) -> None:
    total, count = sizes
    kept = spaced(total, count)
    assert kept == sorted(set(kept))
    assert len(kept) == count
    assert kept[0] == 0
    assert kept[-1] == (total - 1 if count > 1 else 0)


def test_three_of_six_are_those_of_the_prototype() -> None:
    assert spaced(6, 3) == [0, 2, 5]


def test_the_most_influential_stay_in_order() -> None:
    assert most_influential([0.5, 0.1, 0.9, 0.1], 2) == [0, 2]
    assert most_influential([0.5, 0.1, 0.9, 0.1], 3) == [0, 1, 2]


@pytest.mark.parametrize("make", [tiny_llama, tiny_qwen3])
def test_a_layer_that_adds_nothing_has_no_influence(make) -> None:
    model = make(num_hidden_layers=4)
    for linear in (model.model.layers[2].self_attn.o_proj, model.model.layers[2].mlp.down_proj):
        linear.weight.data.zero_()
    influence = block_influence(model, [batch_for(model)])
    assert influence[2] == pytest.approx(0, abs=1e-6)
    assert min(influence[:2] + influence[3:]) > 1e-3
    assert student_of_layers(model, 3, 0, "influence", [batch_for(model)]).config.num_hidden_layers == 3


@pytest.mark.parametrize("make", [tiny_t5, tiny_bart])
@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_influence_is_blind_to_padding(make, stack: str) -> None:
    model = make()
    expected = block_influence(model, [batch_for(model)], stack)
    found = block_influence(model, [batch_for(model, pad_token_id=7)], stack)
    assert found == pytest.approx(expected, rel=1e-5)
    assert all(0 < value <= 2 for value in found)


def test_both_stacks_lose_layers_of_their_own() -> None:
    teacher = tiny_t5(num_layers=4, num_decoder_layers=3)
    student = student_of_layers(teacher, [0, 2], 3, "spaced", [])
    assert (student.config.num_layers, student.config.num_decoder_layers) == (3, 2)
    assert (teacher.config.num_layers, teacher.config.num_decoder_layers) == (4, 3)
    kept = student.decoder.block[1].layer[0].SelfAttention.q.weight
    assert torch.equal(kept, teacher.decoder.block[2].layer[0].SelfAttention.q.weight)


def test_half_of_the_layers_stay_unless_told_otherwise() -> None:
    assert (
        student_of_layers(tiny_llama(num_hidden_layers=5), 0, 0, "spaced", []).config.num_hidden_layers == 3
    )


@pytest.mark.parametrize(
    ("layers", "message"), [(3, "layers is 3; allowed: 1 to 2"), ([1, 0], "allowed: some")]
)
def test_layers_that_are_not_there_are_refused(layers, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        student_of_layers(tiny_llama(), layers, 0, "spaced", [])


def test_a_student_with_another_vocabulary_is_refused_with_both_sizes() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer())
    other = PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer())
    other.add_tokens(["<new>"])
    same, larger = tiny_llama(), tiny_llama(vocab_size=304)
    check_vocabularies(same, same, tokenizer, tokenizer)
    with pytest.raises(UnsupportedModelError, match=r"301 logits.*304 logits"):
        check_vocabularies(same, larger, tokenizer, tokenizer)
    with pytest.raises(
        UnsupportedModelError, match=rf"{len(tokenizer)} tokens, .* {len(other)} tokens, of which 1 "
    ):
        check_vocabularies(same, same, tokenizer, other)
