"""A tiny model of each kind that compression covers, and what tests ask of them."""

from collections.abc import Callable

import torch
from export.graph import tiny_causal_models as causal
from export.graph import tiny_encoder_decoder_models as encoder_decoder
from export.graph.compressed_models import compressed_llama, compressed_t5
from tiny_encoders import TinyEncoder, tiny_encoder_model
from transformers import PreTrainedModel
from triton_rag_export.compress.pruning import Loss, embedding_loss, language_model_loss

ENCODERS: dict[str, Callable[[], PreTrainedModel]] = {
    "bert": lambda: tiny_encoder_model(TinyEncoder(heads=5)),
    "roberta": lambda: tiny_encoder_model(TinyEncoder(family="roberta", activation="relu")),
    "distilbert": lambda: tiny_encoder_model(TinyEncoder(family="distilbert", heads=5)),
}
GENERATORS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: causal.tiny_llama(num_hidden_layers=3, attention_bias=True, mlp_bias=True),
    "qwen3, nine heads on three": lambda: causal.tiny_qwen3(num_attention_heads=9, num_key_value_heads=3),
    "t5": encoder_decoder.tiny_t5,
    "flan": encoder_decoder.tiny_flan,
    "bart": encoder_decoder.tiny_bart,
}
COMPRESSED: dict[str, Callable[[], PreTrainedModel]] = {
    "llama, compressed": lambda: compressed_llama(causal.tiny_llama(num_hidden_layers=4)),
    "t5, compressed": lambda: compressed_t5(encoder_decoder.tiny_t5(num_decoder_layers=3)),
}
FAMILIES = ENCODERS | GENERATORS
ALL = FAMILIES | COMPRESSED


def batch_of(model: PreTrainedModel, seed: int = 0) -> dict[str, torch.Tensor]:
    """Three texts without padding, with labels where the model is a generator."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    numbers = torch.Generator().manual_seed(seed)
    tokens = torch.randint(3, vocabulary, (3, 20), generator=numbers)
    if not model.can_generate():
        return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    targets = torch.randint(3, vocabulary, (3, 9), generator=numbers)
    return {"input_ids": tokens, "labels": targets if model.config.is_encoder_decoder else tokens}


def outputs_of(model: PreTrainedModel) -> torch.Tensor:
    """Logits, or the rows of an encoder."""
    with torch.no_grad():
        found = model(**batch_of(model))
    return found.logits if model.can_generate() else found.last_hidden_state


def losses_of(model: PreTrainedModel, batches: int = 2) -> list[Loss]:
    return [
        language_model_loss(batch_of(model, seed))
        if model.can_generate()
        else embedding_loss(vectors_of(batch_of(model, seed)), seed)
        for seed in range(batches)
    ]


def vectors_of(batch: dict[str, torch.Tensor]) -> Callable[[PreTrainedModel], torch.Tensor]:
    """The mean of a text's rows, of length one."""
    return lambda model: torch.nn.functional.normalize(model(**batch).last_hidden_state.mean(1), dim=-1)


def parameters_of(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
