"""The manifest of a build: from what, with what, how good."""

import dataclasses
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triton_rag_export.build.artifacts import Artifact, library_versions
from triton_rag_export.build.context import BuildContext
from triton_rag_export.repository.manifest import Manifest, ModelEntry, file_entries

LIBRARIES = (
    "triton-rag",
    "accelerate",
    "beautifulsoup4",
    "bm25s",
    "faiss-cpu",
    "gguf",
    "jinja2",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "tokenizers",
    "torch",
    "transformers",
    "tritonclient",
    "ziglang",
)
INDEX_KEY = "index_key"
INDEX_VERSION = "index_version"


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """What a build made, for its manifest.

    Attributes:
        passages: the cut corpus.
        vectors: its embedding.
        encoder: the encoder's graph.
        embedding: the graph that embedded the passages, the same one or another.
        index: the index.
        index_version: version of `passage_search` that holds it.
        generator: the generator's graph; None when retrieval alone was built.
        retrieval_quality: nDCG@10 of FP32 and of the served precision, by data set; empty when not asked for.
    """

    passages: Artifact
    vectors: Artifact
    encoder: Artifact
    embedding: Artifact
    index: Artifact
    index_version: int
    generator: Artifact | None
    retrieval_quality: Mapping[str, Mapping[str, float]]


def describe(context: BuildContext, made: Made, repository: Path) -> Manifest:
    """The manifest of a repository that is otherwise complete."""
    return Manifest(
        recipe=context.recipe.model_dump(mode="json"),
        models=_models(context, made),
        corpus={
            **_facts(made.passages),
            **_facts(made.index),
            "passages_key": made.passages.key,
            INDEX_KEY: made.index.key,
            INDEX_VERSION: made.index_version,
        },
        graphs=_graphs(made, repository),
        quality=_quality(made),
        speed={"embedding": _facts(made.vectors)},
        versions={"python": platform.python_version(), **library_versions(LIBRARIES)},
        files=file_entries(repository),
    )


def opset_of(graph: Path) -> dict[str, int]:
    """The operator sets of an ONNX graph, by domain; the weights are not read."""
    import onnx

    model = onnx.load(str(graph), load_external_data=False)
    return {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}


def _models(context: BuildContext, made: Made) -> dict[str, ModelEntry]:
    """The models, with the precision of their graphs: an exporter may have fallen back to another."""
    recipe = context.recipe
    encoder = str(made.encoder.facts["precision"])
    models = {"encoder": ModelEntry(recipe.encoder.model, context.encoder.fingerprint, encoder)}
    if context.passage_encoder is not None and recipe.encoder.passage_model is not None:
        name, hashed = recipe.encoder.passage_model, context.passage_encoder.fingerprint
        models["passage_encoder"] = ModelEntry(name, hashed, str(made.embedding.facts["precision"]))
    if recipe.generator is not None and context.generator is not None and made.generator is not None:
        precision = str(made.generator.facts["precision"])
        models["generator"] = ModelEntry(recipe.generator.model, context.generator.fingerprint, precision)
    return models


def _graphs(made: Made, repository: Path) -> dict[str, Any]:
    from query_tokenization import QueryTokenizer

    encoder = {
        **_facts(made.encoder),
        "opset": opset_of(repository / "query_encoder/1/encoder.onnx"),
        "buckets": list(QueryTokenizer.load(repository / "query_tokenizer/1").settings.buckets),
    }
    if made.generator is None:
        return {"encoder": encoder}
    generator = {
        **_facts(made.generator),
        "opset": opset_of(repository / "generator/1/generator.onnx"),
    }
    return {"encoder": encoder, "generator": generator}


def _quality(made: Made) -> dict[str, Any]:
    encoder = {name: made.encoder.facts.get(name) for name in ("to_torch", "to_fp32")}
    quality: dict[str, Any] = {"encoder": encoder}
    if made.generator is not None:
        names = ("kl", "top1_agreement", "compared_tokens")
        quality["generator"] = {name: made.generator.facts.get(name) for name in names}
    if made.retrieval_quality:
        quality["retrieval"] = dict(made.retrieval_quality)
    return quality


def _facts(artifact: Artifact) -> dict[str, Any]:
    return {name: value for name, value in artifact.facts.items() if name != "note"}
