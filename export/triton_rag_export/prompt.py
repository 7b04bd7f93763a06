"""Renders a generator's template once, at build time, into what `prompt_builder` serves from.

The template is rendered with a sentinel in the place of the content, tokenized, and cut at the special tokens
nearest to the sentinel: everything outside is fixed ids, everything inside is tokenized with each question.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prompting import InvalidPromptError, PromptBuilder, PromptSettings

from triton_rag_export.errors import BuildError
from triton_rag_export.recipe import GeneratorRecipe, ServingRecipe
from triton_rag_export.repository.warmup_samples import WARMUP_QUESTION

SENTINEL = "CONTENT0OF0THE0PROMPT"


def export_prompt(
    tokenizer: Any, generator: GeneratorRecipe, serving: ServingRecipe, folder: Path
) -> PromptSettings:
    """Write `tokenizer.json` and `prompt.json` into the version folder of `prompt_builder`.

    Args:
        tokenizer: the generator's fast transformers tokenizer.
        generator: template, system message, instruction and context.
        serving: the limits of MAX_TOKENS.
        folder: an existing folder.

    Returns:
        What was written to `prompt.json`.

    Raises:
        BuildError: the recipe asks for a chat template and the model has none, the template does not take a
            system message, loses the content, or has no room for a question.
    """
    rendered, is_chat = _render(tokenizer, generator)
    if (count := rendered.count(SENTINEL)) != 1:
        raise BuildError(
            f"the {'chat' if is_chat else 'plain'} template holds the content {count} times; it must hold it "
            'once: correct generator.plain_template, or set generator.template = "plain"'
        )
    prefix_ids, before, after, suffix_ids = _cut(tokenizer, rendered, add_special_tokens=not is_chat)
    settings = PromptSettings(
        prefix_ids=prefix_ids,
        before=before,
        after=after,
        suffix_ids=suffix_ids,
        instruction=generator.instruction,
        context_tokens=generator.context_tokens,
        max_tokens=serving.max_tokens,
        default_max_tokens=serving.default_max_tokens,
    )
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    settings.save(folder)
    _refuse_full_prompt(folder, settings)
    return settings


def _refuse_full_prompt(folder: Path, settings: PromptSettings) -> None:
    """Make sure that a short question without passages leaves room for an answer of the default length."""
    try:
        PromptBuilder.load(folder).build(WARMUP_QUESTION, [])
    except InvalidPromptError as error:
        room = settings.context_tokens - settings.default_max_tokens
        raise BuildError(
            f"generator.context_tokens = {settings.context_tokens} leaves {room} tokens for a prompt beside "
            f"an answer of serving.default_max_tokens = {settings.default_max_tokens}, and the template, "
            "generator.system, generator.instruction and a short question take more: raise "
            "generator.context_tokens, or shorten one of the others"
        ) from error


def _render(tokenizer: Any, generator: GeneratorRecipe) -> tuple[str, bool]:
    """The template with the sentinel in it, and whether it is the model's chat template."""
    if generator.template == "plain" or (generator.template == "auto" and not tokenizer.chat_template):
        values = {"{system}": generator.system, "{content}": SENTINEL}
        rendered = generator.plain_template
        for placeholder, value in values.items():
            rendered = rendered.replace(placeholder, value)
        return rendered.strip(), False
    if not tokenizer.chat_template:
        raise BuildError(
            f'the model {generator.model} has no chat template; set generator.template = "plain" or "auto"'
        )
    system = [{"role": "system", "content": generator.system}] if generator.system else []
    messages = [*system, {"role": "user", "content": SENTINEL}]
    return _chat(tokenizer, generator.model, messages), True


def _chat(tokenizer: Any, model: str, messages: Sequence[dict[str, str]]) -> str:
    from jinja2 import TemplateError

    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except TemplateError as error:
        raise BuildError(
            f"the chat template of {model} refuses the messages ({error}); "
            'try generator.system = "", or generator.template = "plain"'
        ) from error


def _cut(
    tokenizer: Any, rendered: str, *, add_special_tokens: bool
) -> tuple[tuple[int, ...], str, str, tuple[int, ...]]:
    """Prefix ids, text before the content, text after it, and suffix ids."""
    encoding = tokenizer(rendered, add_special_tokens=add_special_tokens, return_offsets_mapping=True)
    ids, offsets = encoding["input_ids"], encoding["offset_mapping"]
    start = rendered.index(SENTINEL)
    end = start + len(SENTINEL)
    inside = [index for index, (low, high) in enumerate(offsets) if low < end and high > start]
    special = {index for index, token_id in enumerate(ids) if token_id in tokenizer.all_special_ids}
    last = max((index for index in special if index < inside[0]), default=-1)
    first = min((index for index in special if index > inside[-1]), default=len(ids))
    before = rendered[offsets[last][1] if last >= 0 else 0 : start]
    # A token that the tokenizer puts at the end by itself (T5's </s>) has the empty span (0, 0).
    after = rendered[end : offsets[first][0] or len(rendered) if first < len(ids) else len(rendered)]
    return tuple(ids[: last + 1]), before, after, tuple(ids[first:])
