"""A small random Llama with grouped heads and an awkward width, for graphs as they are served."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

KV_HEADS = 2
HEAD_SIZE = 16


def small_llama(vocabulary: int, context: int) -> LlamaForCausalLM:
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=48,
        intermediate_size=72,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=KV_HEADS,
        head_dim=HEAD_SIZE,
        max_position_embeddings=context,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval()
