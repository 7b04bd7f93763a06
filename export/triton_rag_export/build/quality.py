"""What INT8 costs retrieval: nDCG@10 of the FP32 encoder and of the served one, over judged questions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext
from triton_rag_export.build.model_steps import encoder_graph
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.evaluate.encoder_quality import (
    JudgedVectors,
    embed_judged_data,
    mean_cosine,
    retrieval_quality,
)
from triton_rag_export.evaluate.judged_data import (
    PASSAGES_FILE,
    QUESTIONS_FILE,
    JudgedData,
    find_judged_data,
    read_judged_data,
)
from triton_rag_export.repository.manifest import sha256_of


def measure_retrieval_quality(
    context: BuildContext, passages: Artifact, encoder: Artifact, folder: Path | None, limit: int | None
) -> dict[str, Mapping[str, float]]:
    """Measure the served encoder against FP32 on every data set below a folder.

    Args:
        context: the build.
        passages: of the build's corpus, what INT8 was calibrated with.
        encoder: the graph that will serve.
        folder: data sets, at any depth (see `judged_data`); None measures nothing.
        limit: so many questions of each data set, and as many passages a question as `PASSAGES_A_QUESTION`.

    Returns:
        Figures by data set: nDCG@10 of both, mean cosine, and counts.

    Raises:
        EvaluationError: there is no data set in the folder.
    """
    if folder is None:
        return {}
    data_sets = find_judged_data(folder)
    reference = encoder_graph(context, passages, "fp32")
    results: dict[str, Mapping[str, float]] = {}
    for name, path in data_sets.items():
        facts = _measured(context, name, path, limit, reference, encoder).facts
        results[name] = {key: value for key, value in facts.items() if key != "note"}
    return results


def _measured(
    context: BuildContext, name: str, path: Path, limit: int | None, reference: Artifact, encoder: Artifact
) -> Artifact:
    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        data = read_judged_data(path, limit)
        total = 2 * len(data.passages)
        expected = _embed(reference, data, running, 0, total)
        given = _embed(encoder, data, running, len(data.passages), total)
        before, after = (
            retrieval_quality(data, vectors.passages, vectors.questions)["nDCG@10"]
            for vectors in (expected, given)
        )
        cosine = mean_cosine(expected.passages, given.passages)
        return {
            "ndcg_at_10_fp32": before,
            "ndcg_at_10": after,
            "mean_cosine_to_fp32": cosine,
            "questions": len(data.questions),
            "passages": len(data.passages),
            "note": f"nDCG@10 {after:.4f}, in fp32 {before:.4f}; cosine {cosine:.4f}",
        }

    return context.artifact(
        "quality",
        {"data": data_fingerprint(path), "limit": limit, "encoders": [reference.key, encoder.key]},
        make,
        code=["triton_rag_export.evaluate.encoder_quality"],
        own_code=[__name__, "triton_rag_export.index.build"],
        libraries=["ir-measures", "onnxruntime"],
        title=f"measure retrieval on {name}",
    )


def data_fingerprint(path: Path) -> list[str]:
    """SHA-256 of the files of a data set."""
    return [sha256_of(path / file) for file in (PASSAGES_FILE, QUESTIONS_FILE)]


def _embed(
    encoder: Artifact, data: JudgedData, running: StepProgress, done: int, total: int
) -> JudgedVectors:
    def advance(finished: int) -> None:
        nonlocal done
        done += finished
        running.advance(done, total, f"{done / running.seconds:,.0f} passages/s")

    return embed_judged_data(encoder.folder, data, advance)
