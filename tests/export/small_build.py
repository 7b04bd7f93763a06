"""A build of tiny real models over a small corpus, for tests of what is built."""

import json
from pathlib import Path

import torch
from tiny_encoders import TinyEncoder, byte_tokenizer, save_tiny_encoder
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from triton_rag_export.recipe import Recipe, load_recipe

LOOPS = (
    "A for loop goes over the elements of anything that can be iterated. Its else block runs when no "
    "break ended it. A while loop goes on as long as its condition is true, and may never end when "
    "nothing in it changes the condition. Break leaves the loop at once; continue goes on with the "
    "next element."
)
DOCUMENTS = {
    "lists": (
        "Lists",
        "A list keeps its elements in order. Append adds one at the end, insert anywhere else.",
    ),
    "dictionaries": ("Dictionaries", "A dictionary finds a value by its key. Keys are hashed and unique."),
    "files": ("Files", "The with statement closes a file, even when an exception is raised in its block."),
    "sorting": ("Sorting", "Sorting is stable: equal elements keep the order that they had before it."),
    "strings": ("Strings", "A string is immutable: every method that changes it gives a new string."),
    "loops": ("Loops", LOOPS),
    "rows": (
        "Lists",
        "A  list keeps its elements in ORDER. Append adds one at the end, insert anywhere else.",
    ),
}
"""Documents by id; `loops` is cut into several passages, `rows` repeats `lists`."""

GENERATOR = """
[generator]
model = "generator"
precision = "fp32"
context_tokens = 512
"""
RECIPE = """
name = "small"

[corpus]
source = "jsonl"
path = "corpus.jsonl"
passage_tokens = 120
overlap_tokens = 20

[encoder]
model = "encoder"
precision = "{precision}"
{generator}
[serving]
slots = 2
max_tokens = 24
default_max_tokens = 8
max_batch_size = 16
max_queue = 32
max_memory_mb = 4000
threads = 1
"""


def save_small_models(folder: Path, *, layers: int = 1) -> None:
    """Write a tiny encoder and a tiny Llama of some layers, with random weights and real tokenizers."""
    sizes = TinyEncoder(positions=200, max_seq_length=180)
    save_tiny_encoder(sizes, folder / "encoder")
    tokenizer = byte_tokenizer()
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder / "generator")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder / "generator")


def save_small_bart(folder: Path) -> None:
    """Write a tiny BART with random weights, large enough to tell answers apart, and a real tokenizer."""
    torch.manual_seed(6)
    tokenizer = byte_tokenizer()
    config = BartConfig(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=36,
        init_std=0.3,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=3,
        decoder_attention_heads=3,
        encoder_ffn_dim=40,
        decoder_ffn_dim=40,
        max_position_embeddings=600,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
        decoder_start_token_id=2,
        forced_eos_token_id=2,
    )
    BartForConditionalGeneration(config).save_pretrained(folder)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)


def write_corpus(folder: Path, documents: dict[str, tuple[str, str]] = DOCUMENTS) -> None:
    rows = [{"id": key, "title": title, "text": text} for key, (title, text) in documents.items()]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def small_recipe(folder: Path, *, generator: bool = True, precision: str = "fp32") -> Recipe:
    """The recipe over the models and the corpus in a folder."""
    text = RECIPE.format(generator=GENERATOR if generator else "", precision=precision)
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path)
