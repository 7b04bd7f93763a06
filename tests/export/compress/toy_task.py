"""A task that tiny encoder-decoder models learn in seconds: a code of three symbols, translated one by one.

A lower-case letter, a digit and a capital each have a translation, which is to be given in another order than
asked. People who translate err: every symbol of a label is, with some probability, another one. A model that
has seen many labels knows the right translations and how often they err; a few labels do not tell.
"""

import itertools
import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from export.compress.distil_generator.small_distillation import save_byte_tokenizer
from tiny_encoders import byte_tokenizer
from transformers import T5Config, T5ForConditionalGeneration
from triton_rag_export.compress.distil_generator.examples import TextTokenizer, TrainingText
from triton_rag_export.recipe import GeneratorRecipe

KINDS = (string.ascii_lowercase[:10], string.digits, string.ascii_uppercase[:10])
RECIPE = GeneratorRecipe(
    system="", instruction="{passages}{question}", plain_template="{content}", template="plain"
)
MAX_TOKENS, ANSWER_TOKENS = 16, 8


def codes(seed: int = 0) -> list[str]:
    """All thousand codes, shuffled."""
    found = ["".join(symbols) for symbols in itertools.product(*KINDS)]
    random.Random(seed).shuffle(found)
    return found


def translation(code: str) -> str:
    """The right answer: the last symbol's translation first."""
    shifted = (kind[(3 * kind.index(symbol) + 4) % 10] for kind, symbol in zip(KINDS, code, strict=True))
    return "".join(reversed(list(shifted)))


def labelled(chosen: Sequence[str], error_rate: float, seed: int) -> tuple[TrainingText, ...]:
    """Codes with a translation each, in which symbols are wrong at the given rate."""
    draw = random.Random(seed)
    texts = []
    for code in chosen:
        answer = [
            draw.choice(kind) if draw.random() < error_rate else symbol
            for kind, symbol in zip(reversed(KINDS), translation(code), strict=True)
        ]
        texts.append(TrainingText("".join(answer), prompt=code, name=code))
    return tuple(texts)


def save_untrained_t5(folder: Path, *, layers: int, width: int = 64, seed: int = 0) -> Path:
    """A T5 with random weights."""
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=byte_tokenizer().get_vocab_size(),
        d_model=width,
        d_kv=16,
        d_ff=2 * width,
        num_heads=4,
        num_layers=layers,
        num_decoder_layers=layers,
        dropout_rate=0.0,
        eos_token_id=2,
        pad_token_id=1,
        decoder_start_token_id=1,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    save_byte_tokenizer(folder)
    return folder


def accuracy(model: Any, tokenizer: Any, chosen: Sequence[str]) -> float:
    """The share of symbols that are translated rightly, by greedy answers."""
    make = TextTokenizer(
        tokenizer,
        RECIPE,
        is_encoder_decoder=True,
        max_tokens=MAX_TOKENS,
        answer_tokens=ANSWER_TOKENS,
        end_token_id=2,
    )
    prompts = make.examples([TrainingText(None, prompt=code) for code in chosen], without_answers=True).items
    with torch.inference_mode():
        ids = model.eval().generate(
            torch.tensor([example.prompt for example in prompts]),
            do_sample=False,
            max_new_tokens=ANSWER_TOKENS,
        )
    right = 0
    for code, row in zip(chosen, ids, strict=True):
        answer = tokenizer.decode(row, skip_special_tokens=True)
        right += sum(given == wanted for given, wanted in zip(answer, translation(code), strict=False))
    return right / (3 * len(chosen))
