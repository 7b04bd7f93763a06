"""What a model is worth on judged data: rankings, answers, and the distance from the original model."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.candidates import Candidate, Measuring
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.build.quality import data_fingerprint
from triton_rag_export.build.workloads import serving_settings
from triton_rag_export.evaluate.encoder_quality import (
    JudgedVectors,
    embed_judged_data,
    mean_cosine,
    retrieval_quality,
)
from triton_rag_export.evaluate.judged_data import read_judged_data
from triton_rag_export.evaluate.ledger.row import ANSWERS, RETRIEVAL, TEACHERS_INDEX

LIBRARIES = ("ir-measures", "numpy", "onnxruntime", "rouge-score", "tokenizers")
PASSAGES_FILE, QUESTIONS_FILE = "passages.npy", "questions.npy"

Figures = dict[str, dict[str, float]]


def encoder_quality(
    measuring: Measuring, candidate: Candidate, original: Candidate, running: StepProgress
) -> tuple[Figures, Figures]:
    """Measures of an encoder's rankings by data set, with its own index and with the teacher's; cosines."""
    quality: Figures = {}
    distance: Figures = {}
    limit = measuring.context.recipe.ledger.questions
    for name, path in measuring.data_sets.items():
        data = read_judged_data(path, limit)
        own = judged_vectors(measuring, name, path, candidate.graph, f"after {candidate.step!r}")
        running.advance(0, None, f"search {name}")
        quality[name] = _rounded(retrieval_quality(data, own.passages, own.questions), RETRIEVAL)
        if candidate.index is not None:
            teachers = judged_vectors(measuring, name, path, candidate.index, "by the teacher").passages
            if teachers.shape[1] == own.questions.shape[1]:
                asymmetric = retrieval_quality(data, teachers, own.questions)
                quality[name + TEACHERS_INDEX] = _rounded(asymmetric, RETRIEVAL)
        if candidate is not original:
            before = judged_vectors(
                measuring, name, path, original.graph, f"after {original.step!r}"
            ).passages
            if before.shape[1] == own.passages.shape[1]:
                distance[name] = {"cosine": round(mean_cosine(before, own.passages), 5)}
    return quality, distance


def judged_vectors(
    measuring: Measuring, name: str, path: Path, graph: Artifact, embedded: str
) -> JudgedVectors:
    """A data set as vectors of an encoder's graph, from the cache where it was embedded before.

    Args:
        measuring: what on.
        name: of the data set.
        path: its folder.
        graph: of the encoder.
        embedded: after what or by whom, for the progress display.
    """
    limit = measuring.context.recipe.ledger.questions

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        data = read_judged_data(path, limit)
        done = 0

        def advance(finished: int) -> None:
            nonlocal done
            done += finished
            running.advance(done, len(data.passages), f"{done / running.seconds:,.0f} passages/s")

        vectors = embed_judged_data(graph.folder, data, advance)
        np.save(folder / PASSAGES_FILE, vectors.passages)
        np.save(folder / QUESTIONS_FILE, vectors.questions)
        return {"note": f"{len(vectors.passages):,} passages, {len(vectors.questions):,} questions"}

    artifact = measuring.context.artifact(
        "judged-vectors",
        {"graph": graph.key, "data": data_fingerprint(path), "limit": limit},
        make,
        code=["triton_rag_export.evaluate.encoder_quality"],
        own_code=[__name__],
        libraries=LIBRARIES,
        title=f"embed {name} {embedded}",
    )
    return JudgedVectors(np.load(artifact.folder / PASSAGES_FILE), np.load(artifact.folder / QUESTIONS_FILE))


def generator_quality(
    measuring: Measuring, candidate: Candidate, original: Candidate, running: StepProgress
) -> tuple[Figures, Figures]:
    """Measures of a generator's answers by data set; KL from the original and agreement with it."""
    from triton_rag_export.evaluate.generator_answers import answer_quality, distance_between

    quality: Figures = {}
    distance: Figures = {}
    context = measuring.context
    tokens = min(context.recipe.ledger.answer_tokens, context.recipe.serving.max_tokens)
    settings = serving_settings(context)
    for name, asked in _asked(measuring, tokens):
        done = 0

        def advance(finished: int, total: int = len(asked), what: str = name) -> None:
            nonlocal done
            done += finished
            running.advance(done, total, f"answers on {what}")

        found = answer_quality(candidate.graph.folder, settings, asked, tokens, advance)
        quality[name] = _rounded(found, ANSWERS)
        if candidate is not original:
            running.advance(0, None, f"distance on {name}")
            away = distance_between(original.graph.folder, candidate.graph.folder, settings, asked, tokens)
            distance[name] = {measure: round(value, 5) for measure, value in away.items()}
    return quality, distance


def _asked(measuring: Measuring, tokens: int) -> Iterator[tuple[str, Any]]:
    """Data sets with right answers, as the generator reads them."""
    from triton_rag_export.evaluate.generator_answers import asked_questions

    recipe = measuring.context.recipe.ledger
    for name, path in measuring.data_sets.items():
        if measuring.prompt is not None:
            data = read_judged_data(path, recipe.questions)
            if asked := asked_questions(measuring.prompt.folder, data, recipe.answers, tokens):
                yield name, asked


def _rounded(values: Mapping[str, float], wanted: tuple[str, ...]) -> dict[str, float]:
    return {measure: round(values[measure], 5) for measure in wanted}
