"""The steps over models: the encoder's graph, the generator's graph, and its prompt."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext, FoundModel
from triton_rag_export.build.corpus_steps import CONTENT, read_passages
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.corpus import Passage
from triton_rag_export.errors import BuildError
from triton_rag_export.kernels import kernel_fingerprint
from triton_rag_export.recipe import GeneratorRecipe, Precision
from triton_rag_export.repository.warmup_samples import WARMUP_TEXT

if TYPE_CHECKING:
    from triton_rag_export.graph.causal import CausalReport
    from triton_rag_export.graph.encoder_decoder import EncoderDecoderReport

GRAPH_LIBRARIES = ("accelerate", "gguf", "onnx", "onnxruntime", "tokenizers", "torch", "transformers")
CALIBRATION_PASSAGES = 256
CALIBRATION_SEQUENCES = 32
PASSAGES_A_SEQUENCE = 4
"""A generator reads several passages at once: so do its calibration texts."""
LEAST_SEQUENCES = 8
TEXT_SETTINGS = {"pooling", "normalize", "query_prefix", "passage_prefix", "max_tokens"}
PROMPT_SETTINGS = {"context_tokens", "template", "system", "instruction", "plain_template"}

_Item = TypeVar("_Item")


def encoder_graph(
    context: BuildContext,
    passages: Artifact,
    precision: Precision | None = None,
    *,
    model: FoundModel | None = None,
    title: str = "export the encoder",
) -> Artifact:
    """Export the encoder.

    Args:
        context: the build.
        passages: what INT8 is calibrated with.
        precision: default the recipe's.
        model: default the recipe's.
        title: what the progress display calls it.
    """
    recipe, model = context.recipe.encoder, model or context.encoder
    precision = precision or recipe.precision
    settings = {
        **recipe.model_dump(mode="json", include=TEXT_SETTINGS),
        "precision": precision,
    }
    if precision == "int8_static" and recipe.calibration is not None:
        settings["calibration"] = recipe.calibration

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        from triton_rag_export.graph.encoder import EncoderExport, export_encoder

        texts = calibration_passages(read_passages(passages.folder)) if precision != "fp32" else ()
        export = EncoderExport(**settings, calibration_texts=texts)
        report = dataclasses.asdict(export_encoder(model.source, export, folder))
        closeness = report["to_fp32"]
        quality = f", cosine {closeness['mean']:.4f} to fp32" if closeness else ""
        return {**report, "note": f"{report['precision']}, {report['size_bytes'] / 1e6:,.0f} MB{quality}"}

    return context.artifact(
        "encoder",
        {
            "model": model.fingerprint,
            "settings": settings,
            "passages": passages.facts[CONTENT] if precision != "fp32" else None,
            "kernels": kernel_fingerprint(),
        },
        make,
        code=["triton_rag_export.graph.encoder"],
        own_code=[__name__],
        libraries=GRAPH_LIBRARIES,
        title=title if precision == recipe.precision else f"{title} in {precision}",
    )


def passage_encoder_graph(context: BuildContext, passages: Artifact, encoder: Artifact) -> Artifact:
    """The graph that embeds the passages: the encoder's, or that of the recipe's `passage_model`.

    It is not served: it has the encoder's precision, and is only used while building.
    """
    if context.passage_encoder is None:
        return encoder
    return encoder_graph(
        context, passages, model=context.passage_encoder, title="export the passages' encoder"
    )


def generator_graph(
    context: BuildContext,
    model: FoundModel,
    recipe: GeneratorRecipe,
    passages: Artifact,
    *,
    title: str = "export the generator",
) -> Artifact:
    """Export the generator, calibrated and compared over passages of the corpus.

    Args:
        context: the build.
        model: what to export.
        recipe: precision, cache and room.
        passages: of the corpus.
        title: what the progress display calls it.
    """
    is_encoder_decoder = model.is_encoder_decoder
    settings = recipe.model_dump(mode="json", include={"device", "precision", "context_tokens", "cache"})
    if is_encoder_decoder:  # the answer has a room of its own
        settings["max_tokens"] = context.recipe.serving.max_tokens

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        texts = calibration_sequences(read_passages(passages.folder))
        export = _encoder_decoder_report if is_encoder_decoder else _causal_report
        report = dataclasses.asdict(export(context, model, recipe, texts, folder))
        note = f"{report['precision']}, {report['size_bytes'] / 1e6:,.0f} MB"
        if recipe.device == "cuda":
            note += f", for the CUDA provider{_unchecked(report)}"
        if report["kl"] is not None:
            note += f", KL {report['kl']:.4f} and top-1 agreement {report['top1_agreement']:.3f} to fp32"
        return {**report, "note": note}

    return context.artifact(
        "generator",
        {
            "model": model.fingerprint,
            "settings": settings,
            "passages": passages.facts[CONTENT],
            "kernels": kernel_fingerprint() if recipe.device == "cpu" else None,
            "checked_on": _checking_device(recipe),
        },
        make,
        code=[f"triton_rag_export.graph.{'encoder_decoder' if is_encoder_decoder else 'causal'}"],
        own_code=[__name__],
        libraries=GRAPH_LIBRARIES,
        title=title,
    )


def _checking_device(recipe: GeneratorRecipe) -> str:
    if recipe.device == "cpu":
        return "cpu"
    from triton_rag_export.graph.device_parts import checking_device

    return checking_device(recipe.device)


def _unchecked(report: dict[str, Any]) -> str:
    """What a build says of a graph for a GPU that no GPU has run."""
    if report["checked_on"] == "cuda":
        return ""
    return " (checked on the CPU provider only: the onnxruntime at hand has no CUDA provider)"


def _causal_report(
    context: BuildContext, model: FoundModel, recipe: GeneratorRecipe, texts: tuple[str, ...], folder: Path
) -> "CausalReport":
    from triton_rag_export.graph.causal import CausalExport, export_causal

    export = CausalExport(
        recipe.arithmetic,
        recipe.context_tokens,
        calibration_texts=texts,
        cache=recipe.cache_kind,
        device=recipe.device,
    )
    return export_causal(model.source, export, folder)


def _encoder_decoder_report(
    context: BuildContext, model: FoundModel, recipe: GeneratorRecipe, texts: tuple[str, ...], folder: Path
) -> "EncoderDecoderReport":
    from triton_rag_export.graph.encoder_decoder import EncoderDecoderExport, export_encoder_decoder

    precision = recipe.arithmetic
    if precision == "int4" or recipe.cache == "int8":
        raise BuildError(
            f"model {model.source.name!r} has an encoder and a decoder: generator.precision is "
            f'"{precision}" and generator.cache "{recipe.cache}"; allowed: "fp32", "fp16" or "int8", '
            'and a cache of "auto", "fp32" or "fp16"'
        )
    export = EncoderDecoderExport(
        precision,
        source_tokens=recipe.context_tokens,
        target_tokens=context.recipe.serving.max_tokens,
        calibration_texts=texts,
        cache=recipe.cache_kind,
        device=recipe.device,
    )
    return export_encoder_decoder(model.source, export, folder)


def prompt_files(context: BuildContext, model: FoundModel, recipe: GeneratorRecipe) -> Artifact:
    """Render the prompt's frame and write it beside the generator's tokenizer."""
    serving = context.recipe.serving

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        from triton_rag_export.graph.model_source import load_tokenizer
        from triton_rag_export.prompt import export_prompt

        export_prompt(load_tokenizer(model.source), recipe, serving, folder)
        return {}

    return context.artifact(
        "prompt",
        {
            "model": model.fingerprint,
            "generator": recipe.model_dump(mode="json", include=PROMPT_SETTINGS),
            "serving": serving.model_dump(mode="json"),
        },
        make,
        code=["triton_rag_export.prompt", "triton_rag_export.graph.model_source"],
        own_code=[__name__],
        libraries=("gguf", "jinja2", "tokenizers", "transformers"),
        title="render the prompt",
    )


def calibration_passages(passages: Sequence[Passage]) -> tuple[str, ...]:
    """Texts that the encoder will see, spread evenly over the corpus."""
    from triton_rag_export.index import indexed_text

    return tuple(indexed_text(passage) for passage in _spread(passages, CALIBRATION_PASSAGES))


def calibration_sequences(passages: Sequence[Passage]) -> tuple[str, ...]:
    """Texts as long as a generator's prompts, spread evenly over the corpus.

    A small corpus gives too few to calibrate and to compare: then pieces of a fixed text are added.
    """
    from triton_rag_export.index import indexed_text

    starts = _spread(range(0, len(passages), PASSAGES_A_SEQUENCE), CALIBRATION_SEQUENCES)
    groups = [passages[start : start + PASSAGES_A_SEQUENCE] for start in starts]
    texts = ["\n\n".join(indexed_text(passage) for passage in group) for group in groups]
    if len(texts) < LEAST_SEQUENCES:
        length = len(WARMUP_TEXT) // LEAST_SEQUENCES
        texts += [WARMUP_TEXT[length * n : length * (n + 1)] for n in range(LEAST_SEQUENCES)]
    return tuple(texts)


def _spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """Up to so many items, evenly over all of them."""
    if len(items) <= count:
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]
