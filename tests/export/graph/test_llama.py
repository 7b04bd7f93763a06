import pytest
from export.graph.tiny_causal_models import (
    CONTEXT_TOKENS,
    VARIANTS,
    adapter_of,
    described,
    pruned,
    random_tokens,
    reference_logits,
    rotary,
    tiny_llama,
    tiny_mistral,
    tiny_qwen2,
)
from generation import SlotRows
from numpy.testing import assert_allclose
from transformers import GPT2Config, GPT2LMHeadModel
from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.causal_model import LayerShape
from triton_rag_export.graph.llama import read_llama


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_graph_computes_what_transformers_computes(variant, tmp_path):
    model = VARIANTS[variant]()
    token_ids = random_tokens(30)

    adapter = adapter_of(described(model), tmp_path)
    first = adapter.step([SlotRows(1, tuple(token_ids[:13]), 0, 13)], logits=True)
    second = adapter.step([SlotRows(1, tuple(token_ids[13:]), 13, 17)], logits=True)

    expected = reference_logits(model, token_ids)
    assert_allclose(first.logits, expected[:13], atol=2e-4)
    assert_allclose(second.logits, expected[13:], atol=2e-4)
    assert second.token_ids.tolist() == expected[13:].argmax(axis=1).tolist()


def test_the_widths_of_a_layer_are_read_from_its_weights():
    model = pruned(tiny_llama())

    assert described(model).layer_shapes() == (LayerShape(4, 2, 56), LayerShape(2, 1, 47))


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: tiny_llama(hidden_act="gelu"), "hidden_act = 'gelu'"),
        (lambda: tiny_llama(**rotary("dynamic", factor=2.0)), "rope_type = 'dynamic'"),
        (lambda: tiny_mistral(sliding_window=CONTEXT_TOKENS - 1), "sliding_window = 63"),
        (
            lambda: tiny_qwen2(use_sliding_window=True, sliding_window=8, max_window_layers=0),
            "sliding_window = 8",
        ),
        (
            lambda: GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=50)),
            "model_type = 'gpt2'",
        ),
    ],
)
def test_what_the_graph_does_not_compute_is_refused_by_name(make, setting):
    with pytest.raises(UnsupportedModelError, match=setting) as error:
        read_llama(make(), CONTEXT_TOKENS)
    assert "allowed: " in str(error.value)
