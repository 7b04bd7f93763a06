"""Tiny random transformers models with awkward shapes, and what tests do with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from export.graph.compressed_models import compressed_llama
from generation.causal import CausalAdapter
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from triton_rag_export.graph.causal import CausalExport, write_causal
from triton_rag_export.graph.causal_model import CausalModel, GeneratorPrecision
from triton_rag_export.graph.llama import read_llama

CONTEXT_TOKENS = 64
VOCABULARY = 301  # no multiple of anything that a kernel likes

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 72,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "head_dim": 16,
}


def tiny_llama(**settings: Any) -> PreTrainedModel:
    return _made(LlamaForCausalLM, LlamaConfig(**(_SIZES | settings)))


def tiny_mistral(**settings: Any) -> PreTrainedModel:
    return _made(MistralForCausalLM, MistralConfig(**(_SIZES | {"sliding_window": None} | settings)))


def tiny_qwen2(**settings: Any) -> PreTrainedModel:
    # Qwen2 has no head_dim of its own: it is hidden_size / num_attention_heads.
    return _made(Qwen2ForCausalLM, Qwen2Config(**(_SIZES | {"hidden_size": 64} | settings)))


def tiny_qwen3(**settings: Any) -> PreTrainedModel:
    return _made(Qwen3ForCausalLM, Qwen3Config(**(_SIZES | settings)))


def rotary(kind: str, **settings: float) -> dict[str, Any]:
    """Rotary parameters as transformers wants them."""
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0} | settings}


VARIANTS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama, one key head for all": lambda: tiny_llama(num_key_value_heads=1, num_attention_heads=6),
    "llama, a key head for each": lambda: tiny_llama(num_key_value_heads=4, head_dim=32),
    "llama, three heads a key": lambda: tiny_llama(num_attention_heads=9, num_key_value_heads=3, head_dim=48),
    "llama, heads of twelve channels": lambda: tiny_llama(head_dim=12),
    "llama, tied head": lambda: tiny_llama(tie_word_embeddings=True),
    "llama, biases everywhere": lambda: tiny_llama(attention_bias=True, mlp_bias=True),
    "llama, linear positions": lambda: tiny_llama(**rotary("linear", factor=4.0)),
    "llama, llama3 positions": lambda: tiny_llama(
        **rotary(
            "llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=32,
        )
    ),
    "llama, yarn positions": lambda: tiny_llama(
        **rotary("yarn", factor=4.0, original_max_position_embeddings=32)
    ),
    "llama, layers of different widths": lambda: pruned(tiny_llama()),
    "llama, compressed": lambda: compressed_llama(tiny_llama(num_hidden_layers=4)),
    "llama, compressed, with biases": lambda: compressed_llama(
        tiny_llama(num_hidden_layers=4, attention_bias=True, mlp_bias=True)
    ),
    "mistral": tiny_mistral,
    "mistral, window as wide as the context": lambda: tiny_mistral(sliding_window=CONTEXT_TOKENS),
    "qwen2": tiny_qwen2,
    "qwen2, tied head": lambda: tiny_qwen2(tie_word_embeddings=True),
    "qwen2, compressed": lambda: compressed_llama(tiny_qwen2(num_hidden_layers=4)),
    "qwen3": tiny_qwen3,
    "qwen3, compressed": lambda: compressed_llama(tiny_qwen3(num_hidden_layers=4)),
    "qwen3, wide heads": lambda: tiny_qwen3(head_dim=64, num_key_value_heads=1),
}


def pruned(model: PreTrainedModel) -> PreTrainedModel:
    """The model with two of four heads and a third of the feed-forward block gone from its second layer."""
    layer = model.model.layers[1]
    attention, feed_forward = layer.self_attn, layer.mlp
    width, kept = 2 * attention.head_dim, 47
    for module in (attention.q_proj, feed_forward.gate_proj, feed_forward.up_proj):
        _keep(module, outputs=width if module is attention.q_proj else kept)
    for module in (attention.k_proj, attention.v_proj):
        _keep(module, outputs=attention.head_dim)
    _keep(attention.o_proj, inputs=width)
    _keep(feed_forward.down_proj, inputs=kept)
    return model


def described(model: PreTrainedModel) -> CausalModel:
    return read_llama(model, CONTEXT_TOKENS)


def adapter_of(
    model: CausalModel, folder: Path, precision: GeneratorPrecision = "fp32", **sizes: int
) -> CausalAdapter:
    """Write a model into a folder and load it as it is served."""
    write_causal(model, CausalExport(precision, CONTEXT_TOKENS), frozenset({2}), folder)
    return CausalAdapter.load(
        folder, **({"slots": 3, "capacity": CONTEXT_TOKENS, "threads": 1, "max_rows_a_step": 32} | sizes)
    )


def random_tokens(length: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(3, VOCABULARY, length).tolist()


def reference_logits(model: PreTrainedModel, token_ids: list[int]) -> np.ndarray:
    """What transformers says at every position, (tokens, vocabulary)."""
    with torch.inference_mode():
        return model(torch.tensor([token_ids]), use_cache=False).logits[0].numpy()


def _made(kind: type[PreTrainedModel], config: Any) -> PreTrainedModel:
    torch.manual_seed(11)
    model = kind(config).eval()
    for name, parameter in model.named_parameters():
        if "norm" in name or name.endswith("bias"):  # ones and zeros would hide what is left out
            torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.3)
    return model


def _keep(linear: torch.nn.Linear, inputs: int | None = None, outputs: int | None = None) -> None:
    linear.weight = torch.nn.Parameter(linear.weight[:outputs, :inputs].clone())
    if linear.bias is not None:
        linear.bias = torch.nn.Parameter(linear.bias[:outputs].clone())
