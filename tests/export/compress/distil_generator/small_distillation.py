"""Tiny teachers in folders, texts to learn, and settings that train for a second."""

import json
from pathlib import Path
from typing import Any

import torch
from tiny_encoders import byte_tokenizer
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)
from triton_rag_export.compress.distil_generator import DistilGeneratorSettings
from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.recipe import GeneratorRecipe

TRAINING = TrainingSettings(
    steps=12, batch_size=4, learning_rate=3e-3, checkpoint_every=0, schedule="constant"
)
SETTINGS = DistilGeneratorSettings(
    max_tokens=64, answer_tokens=16, alpha=0.2, temperature=2.0, development_share=0.2, training=TRAINING
)
RECIPE = GeneratorRecipe(system="", instruction="{passages} {question}", plain_template="{content}:")
WORDS = ("red", "blue", "green", "yellow", "black", "white", "brown", "pink")

_T5_SIZES = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_heads": 4, "num_layers": 2, "dropout_rate": 0.0}
_LLAMA_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "bos_token_id": 0,
    "initializer_range": 0.2,
}


def save_teacher(folder: Path, family: str = "llama", **settings: Any) -> Path:
    """A tiny model with random weights, loud enough that its distributions are not flat."""
    torch.manual_seed(8)
    shared = {"vocab_size": byte_tokenizer().get_vocab_size(), "eos_token_id": 2, "pad_token_id": 1}
    if family == "t5":
        loud = {"decoder_start_token_id": 1, "initializer_factor": 2.0}
        model = T5ForConditionalGeneration(T5Config(**(shared | _T5_SIZES | loud | settings)))
    else:
        model = LlamaForCausalLM(LlamaConfig(**(shared | _LLAMA_SIZES | settings)))
    model.save_pretrained(folder)
    save_byte_tokenizer(folder)
    return folder


def save_byte_tokenizer(folder: Path) -> None:
    PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(), bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    ).save_pretrained(folder)


def write_texts(path: Path) -> Path:
    """64 prompts of two words, the answer being the second."""
    rows = [{"prompt": f"{one} {two}", "answer": two} for one in WORDS for two in WORDS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
