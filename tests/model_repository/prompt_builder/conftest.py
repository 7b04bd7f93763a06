"""A tiny real chat tokenizer and the prompt builder that export makes of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prompting import PromptBuilder
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from triton_rag_export.prompt import export_prompt
from triton_rag_export.recipe import GeneratorRecipe, ServingRecipe

TEXT = [
    "You answer questions about the passages that the user gives. Answer in one or two sentences.",
    "Passages: [1] Question: What do the passages say? system user assistant",
    "def indented():\n    return 'code'\n\nÜbermaß, naïve, 日本語, 🙂",
]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@pytest.fixture(scope="session")
def chat_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")
    fast.add_special_tokens({"additional_special_tokens": [AddedToken("<|im_start|>", special=True)]})
    fast.chat_template = CHATML
    return fast


@pytest.fixture
def make_builder(chat_tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Callable[..., PromptBuilder]:
    def make(context_tokens: int = 512, max_tokens: int = 64, default_max_tokens: int = 16) -> PromptBuilder:
        generator = GeneratorRecipe(context_tokens=context_tokens)
        serving = ServingRecipe(max_tokens=max_tokens, default_max_tokens=default_max_tokens)
        export_prompt(chat_tokenizer, generator, serving, tmp_path)
        return PromptBuilder.load(tmp_path)

    return make
