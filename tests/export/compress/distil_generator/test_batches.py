"""Batches: each label stands where the model gives it, as in transformers' own losses."""

import pytest
import torch
from export.graph.tiny_causal_models import random_tokens, tiny_llama, tiny_mistral, tiny_qwen2, tiny_qwen3
from export.graph.tiny_encoder_decoder_models import tiny_bart, tiny_flan, tiny_mbart, tiny_t5
from torch.nn.functional import cross_entropy
from triton_rag_export.compress.distil_generator.batches import IGNORED, Collator, label_ids, label_logits
from triton_rag_export.compress.distil_generator.examples import Example

SHORT_ANSWER = Example(tuple(random_tokens(12)), tuple(random_tokens(3, seed=1)))
LONG_ANSWER = Example(tuple(random_tokens(4, seed=2)), tuple(random_tokens(15, seed=3)))
ONE_TOKEN_EACH = Example((5,), (7,))
EXAMPLES = [SHORT_ANSWER, LONG_ANSWER, ONE_TOKEN_EACH]


@pytest.mark.parametrize("make", [tiny_llama, tiny_mistral, tiny_qwen2, tiny_qwen3])
def test_causal_labels_are_those_that_transformers_moves_by_itself(make) -> None:
    model = make()
    batch = Collator(is_encoder_decoder=False, pad_token_id=0)(list(enumerate(EXAMPLES)))
    for example in EXAMPLES:
        ids = torch.tensor([example.prompt + example.answer])
        labels = torch.tensor([(IGNORED,) * len(example.prompt) + example.answer])
        alone = Collator(is_encoder_decoder=False, pad_token_id=0)([(0, example)])
        with torch.inference_mode():
            expected = model(input_ids=ids, labels=labels, use_cache=False).loss
            found = cross_entropy(label_logits(model)(model, alone), label_ids(alone))
        torch.testing.assert_close(found, expected)
    assert label_ids(batch).tolist() == [token for example in EXAMPLES for token in example.answer]


@pytest.mark.parametrize("make", [tiny_t5, tiny_flan, tiny_bart, tiny_mbart])
def test_a_decoder_reads_its_labels_moved_on_by_one(make) -> None:
    model = make()
    batch = Collator(is_encoder_decoder=True, pad_token_id=1)(list(enumerate(EXAMPLES)))
    with torch.inference_mode():
        expected = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]
        ).loss
        found = cross_entropy(label_logits(model)(model, batch), label_ids(batch))
    torch.testing.assert_close(found, expected)
