"""Rendering templates for `prompt_builder`; that its prompts equal transformers' is tested beside it."""

import json
import string
from pathlib import Path

import pytest
from prompting import PromptBuilder, PromptPassage
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import BartTokenizer, MBartTokenizer, PreTrainedTokenizerFast, T5Tokenizer
from triton_rag_export.errors import BuildError
from triton_rag_export.prompt import export_prompt
from triton_rag_export.recipe import GeneratorRecipe, ServingRecipe

SERVING = ServingRecipe()
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}{% endfor %}<reply>"
)


LETTERS = [(letter, -3.0) for letter in string.printable.strip()]
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def vocabulary(*special: str) -> list[tuple[str, float]]:
    return [*((token, 0.0) for token in special), ("▁", -2.0), *LETTERS]


SOURCE_TOKENIZERS = {
    "t5": lambda: T5Tokenizer(vocab=vocabulary("<pad>", "</s>", "<unk>"), extra_ids=3),
    "bart": lambda: BartTokenizer(
        vocab={token: number for number, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *BYTES])},
        merges=[],
    ),
    "mbart": lambda: MBartTokenizer(vocab=vocabulary("<s>", "<pad>", "</s>", "<unk>"), src_lang="en_XX"),
}


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """One that puts `<s>` before and `</s>` behind every text."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(["Question: passages"], trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


def built(tokenizer: PreTrainedTokenizerFast, folder: Path, **generator: str) -> list[int]:
    export_prompt(
        tokenizer, GeneratorRecipe(instruction="{passages}: {question}", **generator), SERVING, folder
    )
    return list(PromptBuilder.load(folder).build("Why?", [PromptPassage("t", "x")]).ids)


def test_a_model_without_chat_template_gets_the_plain_one_between_its_own_special_tokens(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    ids = built(tokenizer, tmp_path, system="Be brief.", plain_template="{system} Q {content} A")
    assert ids == tokenizer("Be brief. Q [1] t\nx: Why? A")["input_ids"]
    assert ids[0] == 0
    assert ids[-1] == 1


@pytest.mark.parametrize("family", ["t5", "bart", "mbart"])
def test_sources_of_encoder_decoder_models_end_as_their_own_tokenizers_end_them(
    family: str, tmp_path: Path
) -> None:
    tokenizer = SOURCE_TOKENIZERS[family]()
    ids = built(tokenizer, tmp_path, plain_template="{content}")
    assert ids == tokenizer("[1] t\nx: Why?")["input_ids"]
    first, last = {"t5": ("▁", "</s>"), "bart": ("<s>", "</s>"), "mbart": ("▁", "en_XX")}[family]
    assert tokenizer.convert_ids_to_tokens([ids[0], ids[-1]]) == [first, last]


def test_a_source_cannot_end_itself(tmp_path: Path) -> None:
    tokenizer = SOURCE_TOKENIZERS["t5"]()
    export_prompt(tokenizer, GeneratorRecipe(plain_template="{content}"), SERVING, tmp_path)
    ids = list(PromptBuilder.load(tmp_path).build("Why </s> so <pad> early?", []).ids)
    assert tokenizer.eos_token_id not in ids[:-1]
    assert tokenizer.pad_token_id not in ids
    assert ids[-1] == tokenizer.eos_token_id


def test_a_plain_template_can_be_chosen_although_there_is_a_chat_template(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    tokenizer.chat_template = TEMPLATE
    ids = built(tokenizer, tmp_path, template="plain", plain_template="{content}")
    assert ids == tokenizer("[1] t\nx: Why?")["input_ids"]


def test_a_chat_template_brings_its_special_tokens_itself(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    tokenizer.chat_template = TEMPLATE
    ids = built(tokenizer, tmp_path, system="Be brief.")
    text = "<s><system>Be brief.<user>[1] t\nx: Why?<reply>"
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_an_empty_system_message_is_left_out(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.chat_template = TEMPLATE
    built(tokenizer, tmp_path, system="")
    assert json.loads((tmp_path / "prompt.json").read_text())["before"] == "<user>"


def test_limits_come_from_the_recipe(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    settings = export_prompt(
        tokenizer,
        GeneratorRecipe(context_tokens=700),
        ServingRecipe(max_tokens=99, default_max_tokens=9),
        tmp_path,
    )
    assert (settings.context_tokens, settings.max_tokens, settings.default_max_tokens) == (700, 99, 9)


@pytest.mark.parametrize(
    ("template", "chat_template", "words"),
    [
        ("chat", None, "has no chat template"),
        ("chat", "{{ raise_exception('no system role') }}", "no system role"),
        ("chat", "nothing of the content", "holds the content 0 times"),
        ("chat", "{{ messages[1]['content'] * 2 }}", "holds the content 2 times"),
    ],
)
def test_a_template_that_cannot_be_served_is_refused_with_what_to_do(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, template: str, chat_template: str | None, words: str
) -> None:
    tokenizer.chat_template = chat_template
    with pytest.raises(BuildError, match=words) as caught:
        export_prompt(tokenizer, GeneratorRecipe(template=template), SERVING, tmp_path)
    assert "generator." in str(caught.value)


def test_a_prompt_without_room_for_a_question_is_refused_with_what_to_change(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    serving = ServingRecipe(max_tokens=100, default_max_tokens=100)
    generator = GeneratorRecipe(context_tokens=128)
    with pytest.raises(BuildError, match=r"generator\.context_tokens = 128 leaves 28 .* generator\.system"):
        export_prompt(tokenizer, generator, serving, tmp_path)
