"""Put the parts together: served code, artifacts, configs and warm-up become a repository."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.output import place_file
from triton_rag_export.graph.model_source import RECORD_FILE
from triton_rag_export.recipe import Recipe
from triton_rag_export.repository import ConfigChanges, apply_changes, read_config, write_config
from triton_rag_export.repository.config import CONFIG_FILE, forwards_to, is_ensemble
from triton_rag_export.repository.warmup import write_samples
from triton_rag_export.repository.warmup_samples import (
    WARMUP_PASSAGES,
    WARMUP_QUESTION,
    WARMUP_TEXT,
    WARMUP_TITLE,
    Samples,
    generation_samples,
    retrieval_samples,
)
from triton_rag_export.served import model_repository_folder

RETRIEVAL_ENSEMBLES = ("embed", "retrieve")
GENERATION_ENSEMBLES = ("rag", "rag_stream")
ENCODER_FILES = ("encoder.onnx*", "encoder.json", "*.so")
TOKENIZER_FILES = ("tokenizer.json",)
SERVED_CODE = (".py", ".gitkeep", ".typed")


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """What the steps made.

    Attributes:
        encoder: graph, settings and tokenizer.
        index: what `passage_search` reads.
        generator: graph, settings and tokenizer; None when retrieval alone is built.
        prompt: what `prompt_builder` reads; None with it.
    """

    encoder: Artifact
    index: Artifact
    generator: Artifact | None
    prompt: Artifact | None


def assemble(recipe: Recipe, parts: Parts, repository: Path, *, index_version: int = 1) -> None:
    """Write a repository.

    Args:
        recipe: decides the limits.
        parts: what the steps made.
        repository: an empty folder.
        index_version: version of `passage_search`: a new index is a new version, so that no answer that a
            response cache kept outlives the index it came from.
    """
    models = needed_models((*RETRIEVAL_ENSEMBLES, *(GENERATION_ENSEMBLES if parts.generator else ())))
    versions = {model: index_version if model == "passage_search" else 1 for model in models}
    folders = {model: repository / model / str(version) for model, version in versions.items()}
    for model, folder in folders.items():
        _copy_code(model_repository_folder() / model / "1", folder)
    _place(parts.encoder, folders["query_tokenizer"], TOKENIZER_FILES)
    _place(parts.encoder, folders["query_encoder"], ENCODER_FILES)
    _place(parts.index, folders["passage_search"])
    if parts.generator is not None and parts.prompt is not None:
        _place(parts.generator, folders["generator"])
        _place(parts.prompt, folders["prompt_builder"])
    _write_limits(recipe, parts, folders)
    _write_configs(recipe, parts, repository, models)


def needed_models(ensembles: Sequence[str]) -> list[str]:
    """Some ensembles, their steps, and the models that steps forward to."""
    models: list[str] = []
    waiting = list(ensembles)
    while waiting:
        model = waiting.pop(0)
        if model not in models:
            models.append(model)
            config = read_config(model_repository_folder() / model / CONFIG_FILE)
            waiting += [step.model_name for step in config.ensemble_scheduling.step]
            waiting += [target for target in [forwards_to(config)] if target]
    return models


def _copy_code(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        if path.is_file() and (path.suffix in SERVED_CODE or path.name in SERVED_CODE):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def _place(artifact: Artifact, folder: Path, patterns: Sequence[str] = ("**/*",)) -> None:
    for pattern in patterns:
        for path in sorted(artifact.folder.glob(pattern)):
            if path.is_file() and path.name != RECORD_FILE:
                place_file(path, folder / path.relative_to(artifact.folder))


def _write_limits(recipe: Recipe, parts: Parts, folders: dict[str, Path]) -> None:
    """The settings that the served models read from `serving.json`, and the longest query."""
    from generation import ServingSettings
    from query_tokenization import TokenizerSettings

    serving = recipe.serving
    tokenizer = TokenizerSettings.read(parts.encoder.folder)
    limited = dataclasses.replace(tokenizer, max_query_characters=serving.max_query_characters)
    limited.write(folders["query_tokenizer"])
    for model in ("query_encoder", "passage_search"):
        text = json.dumps({"threads": serving.threads}, indent=2) + "\n"
        (folders[model] / "serving.json").write_text(text, encoding="utf-8")
    if recipe.generator is not None:
        ServingSettings(
            slots=serving.slots,
            context_tokens=recipe.generator.context_tokens,
            prefill_chunk=serving.prefill_chunk,
            max_tokens=serving.max_tokens,
            default_max_tokens=serving.default_max_tokens,
            max_queue=serving.max_queue,
            threads=serving.threads,
            max_draft_tokens=serving.max_draft_tokens,
            max_memory_mb=serving.max_memory_mb,
        ).save(folders["generator"])


def _write_configs(recipe: Recipe, parts: Parts, repository: Path, models: Sequence[str]) -> None:
    from query_encoding import EncoderSettings

    embedding_size = EncoderSettings.read(parts.encoder.folder).dim
    samples = warmup_samples(parts, repository / "query_tokenizer" / "1", embedding_size)
    changes = ConfigChanges(
        max_batch_size=recipe.serving.max_batch_size,
        max_queue=recipe.serving.max_queue,
        embedding_size=embedding_size,
    )
    for model in models:
        source = model_repository_folder() / model / CONFIG_FILE
        config = read_config(source)
        apply_changes(config, changes)
        if not is_ensemble(config):
            write_samples(config, repository / model, samples.get(model, ()))
        write_config(config, repository / model / CONFIG_FILE, note=_first_comment(source))


def warmup_samples(parts: Parts, tokenizer_folder: Path, embedding_size: int) -> Samples:
    """What every step is warmed with, by the tokenizers and buckets that serve."""
    from query_tokenization import QueryTokenizer

    samples = retrieval_samples(QueryTokenizer.load(tokenizer_folder), embedding_size)
    if parts.prompt is not None:
        from prompting import PromptBuilder, PromptPassage

        prompts = PromptBuilder.load(parts.prompt.folder)
        passage = PromptPassage(WARMUP_TITLE, WARMUP_TEXT[:500])
        short = prompts.build(WARMUP_QUESTION, [])
        long = prompts.build(WARMUP_QUESTION, [passage] * WARMUP_PASSAGES)
        samples |= generation_samples({"question": short.ids, "passages": long.ids})
    return samples


def _first_comment(config_file: Path) -> str:
    """The lines above a config: they say what the model is for."""
    lines = config_file.read_text(encoding="utf-8").splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:end])
