"""What a recipe's models are timed with: its own questions and passages, its own prompts and limits."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext
from triton_rag_export.build.corpus_steps import read_passages
from triton_rag_export.corpus import Passage
from triton_rag_export.errors import BuildError
from triton_rag_export.evaluate.ledger.row import Kind
from triton_rag_export.evaluate.ledger.workload import EncoderWorkload, GeneratorWorkload, Workload

if TYPE_CHECKING:
    from generation import ServingSettings

QUERIES_A_TURN = 16
PASSAGES = 256
PROMPTS = 96
ANSWERS_ALONE = 2
QUERY_CHARACTERS = 80
"""Without questions, a passage's title or beginning is what is asked."""


def workload(
    context: BuildContext, passages: Artifact, prompt: Artifact | None, kind: Kind
) -> Callable[[Path], Workload]:
    """The work for graphs of one kind.

    Args:
        context: the build.
        passages: the cut corpus, where queries and prompts are taken from.
        prompt: what `prompt_builder` reads; needed for a generator.
        kind: of model.

    Returns:
        A function from a graph's folder to its work.
    """
    found = read_passages(passages.folder)
    step = max(1, len(found) // PASSAGES)
    spread = found[::step][:PASSAGES]
    if kind == "encoder":
        return lambda folder: EncoderWorkload(
            folder,
            context.recipe.serving.threads,
            tuple(_query(passage) for passage in spread[:QUERIES_A_TURN]),
            tuple(passage.text for passage in spread),
        )
    if prompt is None:
        raise BuildError("a generator cannot be timed without its prompt; please report this")
    return _generator_workload(context, spread, prompt)


def serving_settings(context: BuildContext) -> "ServingSettings":
    """The engine's limits as they will serve."""
    from generation import ServingSettings

    recipe = context.recipe
    if recipe.generator is None:
        raise BuildError("there is no generator in the recipe; please report this")
    return ServingSettings(
        slots=recipe.serving.slots,
        context_tokens=recipe.generator.context_tokens,
        max_tokens=recipe.serving.max_tokens,
        default_max_tokens=recipe.serving.default_max_tokens,
        prefill_chunk=recipe.serving.prefill_chunk,
        threads=recipe.serving.threads,
        max_draft_tokens=recipe.serving.max_draft_tokens,
    )


def _generator_workload(
    context: BuildContext, passages: tuple[Passage, ...], prompt: Artifact
) -> Callable[[Path], Workload]:
    from prompting import PromptBuilder, PromptPassage

    settings = serving_settings(context)
    tokens = min(context.recipe.ledger.answer_tokens, settings.max_tokens)
    builder = PromptBuilder.load(prompt.folder)
    prompts = []
    for passage in passages[:PROMPTS]:
        given = [PromptPassage(passage.title, passage.text)]
        prompts.append(tuple(builder.build(_query(passage), given, max_tokens=tokens).ids.tolist()))
    return lambda folder: GeneratorWorkload(folder, settings, tuple(prompts), tokens, ANSWERS_ALONE)


def _query(passage: Passage) -> str:
    return (passage.title or passage.text)[:QUERY_CHARACTERS]
