"""Tiny random encoder-decoder models with awkward shapes, and what tests do with them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from export.graph.compressed_models import compressed_bart, compressed_t5
from generation import SlotRows
from generation.encoder_decoder import EncoderDecoderAdapter
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    MBartConfig,
    MBartForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)
from triton_rag_export.graph.bart import read_bart
from triton_rag_export.graph.encoder_decoder import write_encoder_decoder
from triton_rag_export.graph.encoder_decoder_model import EncoderDecoderModel
from triton_rag_export.graph.linear import Precision
from triton_rag_export.graph.t5 import read_t5

VOCABULARY = 301  # no multiple of anything that a kernel likes
END = 2
POSITIONS = 80
SIZES = {"slots": 3, "capacity": 40, "source_capacity": 70, "threads": 1, "max_rows_a_step": 24}

_T5_SIZES = {
    "vocab_size": VOCABULARY,
    "d_model": 42,
    "d_kv": 12,  # neither a multiple of eight nor d_model / num_heads
    "d_ff": 51,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 5,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,  # sources are longer
    "initializer_factor": 1.5,
    "eos_token_id": END,
    "pad_token_id": 0,
    "decoder_start_token_id": 0,
}
_BART_SIZES = {
    "vocab_size": VOCABULARY,
    "d_model": 60,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 5,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 51,
    "decoder_ffn_dim": 47,
    "max_position_embeddings": POSITIONS,
    "init_std": 0.3,
    "bos_token_id": 0,
    "eos_token_id": END,
    "pad_token_id": 1,
    "decoder_start_token_id": END,
    "forced_eos_token_id": END,
}


def tiny_t5(**settings: Any) -> PreTrainedModel:
    return _made(T5ForConditionalGeneration, T5Config(**(_T5_SIZES | settings)))


def tiny_flan(**settings: Any) -> PreTrainedModel:
    """T5 1.1: a gated feed-forward block, and a head that is neither tied nor scaled."""
    settings = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False} | settings
    model = tiny_t5(**settings)
    model.lm_head.weight = torch.nn.Parameter(torch.randn(VOCABULARY, model.config.d_model))
    return model


def tiny_mt5(**settings: Any) -> PreTrainedModel:
    return _made(MT5ForConditionalGeneration, MT5Config(**(_T5_SIZES | settings)))


def tiny_bart(**settings: Any) -> PreTrainedModel:
    return _made(BartForConditionalGeneration, BartConfig(**(_BART_SIZES | settings)))


def tiny_mbart(**settings: Any) -> PreTrainedModel:
    return _made(MBartForConditionalGeneration, MBartConfig(**(_BART_SIZES | settings)))


def forcing_first_word(model: PreTrainedModel, token_id: int) -> PreTrainedModel:
    model.generation_config.forced_bos_token_id = token_id
    return model


def with_head_bias(model: PreTrainedModel) -> PreTrainedModel:
    model.final_logits_bias = torch.randn(1, VOCABULARY)
    return model


VARIANTS: dict[str, Callable[[], PreTrainedModel]] = {
    "t5": tiny_t5,
    "t5, one head": lambda: tiny_t5(num_heads=1, d_kv=16),
    "t5, gated silu": lambda: tiny_t5(feed_forward_proj="gated-silu"),
    "t5, feed-forward blocks of different widths": lambda: narrowed(tiny_t5()),
    "t5, compressed": lambda: compressed_t5(tiny_t5()),
    "flan-t5": tiny_flan,
    "flan-t5, compressed": lambda: compressed_t5(tiny_flan(num_decoder_layers=3)),
    "mt5": tiny_mt5,
    "bart": tiny_bart,
    "bart, scaled embedding and biased head": lambda: with_head_bias(tiny_bart(scale_embedding=True)),
    "bart, forced first word": lambda: forcing_first_word(tiny_bart(), 0),
    "bart, odd heads": lambda: tiny_bart(d_model=45, encoder_attention_heads=3, decoder_attention_heads=5),
    "bart, compressed": lambda: compressed_bart(tiny_bart()),
    "mbart": tiny_mbart,
    "mbart, compressed": lambda: compressed_bart(tiny_mbart(activation_function="relu")),
    "mbart, relu and a language to begin with": lambda: forcing_first_word(
        tiny_mbart(activation_function="relu", scale_embedding=True), 11
    ),
}


def narrowed(model: PreTrainedModel) -> PreTrainedModel:
    """The T5 1.0 with a third of the feed-forward block gone from the last layer of each stack."""
    for stack in (model.encoder, model.decoder):
        dense = stack.block[-1].layer[-1].DenseReluDense
        dense.wi.weight = torch.nn.Parameter(dense.wi.weight[:37].clone())
        dense.wo.weight = torch.nn.Parameter(dense.wo.weight[:, :37].clone())
    return model


def described(model: PreTrainedModel) -> EncoderDecoderModel:
    return read_t5(model) if model.config.model_type.endswith("t5") else read_bart(model)


def adapter_of(
    model: EncoderDecoderModel, folder: Path, precision: Precision = "fp32", **sizes: int
) -> EncoderDecoderAdapter:
    """Write a model into a folder and load it as it is served."""
    write_encoder_decoder(model, precision, frozenset({END}), folder)
    return EncoderDecoderAdapter.load(folder, **(SIZES | sizes))


def random_tokens(length: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(3, VOCABULARY, length).tolist()


def reference_logits(model: PreTrainedModel, source: list[int], target: list[int]) -> np.ndarray:
    """What transformers says at every position of a target, (tokens, vocabulary)."""
    with torch.inference_mode():
        output = model(
            input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([target]), use_cache=False
        )
    return output.logits[0].numpy()


def reference_answer(model: PreTrainedModel, source: list[int], tokens: int, **options: float) -> list[int]:
    """What transformers answers greedily, its start and end tokens taken off."""
    starts = len(described(model).start_token_ids)
    with torch.inference_mode():
        ids = model.generate(
            torch.tensor([source]), do_sample=False, num_beams=1, max_new_tokens=tokens + starts, **options
        )[0].tolist()
    answer = ids[starts:]
    return answer[: answer.index(END)] if END in answer else answer[:tokens]


def served_answers(
    adapter: EncoderDecoderAdapter, sources: Sequence[list[int]], tokens: int, first_slot: int = 0
) -> list[list[int]]:
    """What the served model answers greedily to sources that share their steps, end tokens taken off."""
    slots = range(first_slot, first_slot + len(sources))
    unread = {slot: adapter.start(slot, source) for slot, source in zip(slots, sources, strict=True)}
    past, answers = dict.fromkeys(slots, 0), {slot: [] for slot in slots}
    while unread:
        rows = [SlotRows(slot, ids, past[slot], 1) for slot, ids in unread.items()]
        found = adapter.step(rows, logits=False).token_ids.tolist()
        for (slot, ids), token_id in zip(list(unread.items()), found, strict=True):
            past[slot] += len(ids)
            unread[slot] = (token_id,)
            if token_id == END or len(answers[slot]) == tokens:
                del unread[slot]
            else:
                answers[slot].append(token_id)
    return list(answers.values())


def _made(kind: type[PreTrainedModel], config: Any) -> PreTrainedModel:
    torch.manual_seed(11)
    model = kind(config).eval()
    for name, parameter in model.named_parameters():
        if "norm" in name or name.endswith("bias"):  # ones and zeros would hide what is left out
            is_weight = "norm" in name and name.endswith("weight")
            torch.nn.init.normal_(parameter, mean=1.0 if is_weight else 0.0, std=0.3)
    return model
