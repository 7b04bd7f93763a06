"""The figures of a ledger's row, as an artifact: a step that is as it was is not measured again.

Quality is measured on the judged data sets that the recipe names, size on the exported graph, and speed
beside the step before, in turns.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext, FoundModel
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.build.quality import data_fingerprint
from triton_rag_export.build.workloads import serving_settings, workload
from triton_rag_export.evaluate.encoder_quality import (
    JudgedVectors,
    embed_judged_data,
    mean_cosine,
    retrieval_quality,
)
from triton_rag_export.evaluate.judged_data import find_judged_data, read_judged_data
from triton_rag_export.evaluate.ledger.machine import describe_machine
from triton_rag_export.evaluate.ledger.parameters import count_parameters
from triton_rag_export.evaluate.ledger.row import ANSWERS, RETRIEVAL, TEACHERS_INDEX, Kind
from triton_rag_export.evaluate.ledger.timing import time_alone, time_beside_parent

LIBRARIES = ("ir-measures", "numpy", "onnxruntime", "rouge-score", "tokenizers")
PASSAGES_FILE, QUESTIONS_FILE = "passages.npy", "questions.npy"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model after a step, and its graph.

    Attributes:
        kind: of model.
        step: its name.
        model: the torch model.
        graph: exported.
    """

    kind: Kind
    step: str
    model: FoundModel
    graph: Artifact


@dataclass(frozen=True, slots=True)
class Measuring:
    """What candidates are measured on.

    Attributes:
        context: the build.
        passages: the cut corpus.
        prompt: what `prompt_builder` reads; None when retrieval alone is built.
    """

    context: BuildContext
    passages: Artifact
    prompt: Artifact | None

    @property
    def data_sets(self) -> dict[str, Path]:
        """Folders of judged data, by name."""
        folder = self.context.recipe.ledger.data
        return {} if folder is None else find_judged_data(folder)

    @property
    def decided_by(self) -> dict[str, Any]:
        """What decides every figure beside models and machine, as JSON values."""
        recipe = self.context.recipe
        return {
            "data": {name: data_fingerprint(path) for name, path in self.data_sets.items()},
            "ledger": recipe.ledger.model_dump(mode="json", exclude={"data"}),
            "passages": self.passages.key,
            "prompt": self.prompt.key if self.prompt else None,
            "serving": recipe.serving.model_dump(mode="json"),
        }


def measured(
    measuring: Measuring, candidate: Candidate, parent: Candidate | None, original: Candidate
) -> Artifact:
    """Measure a candidate.

    Args:
        measuring: what on.
        candidate: what to measure.
        parent: what it is timed beside; None: alone.
        original: what its distance is taken from, and whose index is the teacher's.

    Returns:
        An artifact whose facts are `size`, `speed`, `against_parent`, `quality`, `distance` and `machine` of
        a `LedgerRow`.

    Raises:
        ExportError: the data cannot be read, or a graph does not run.
    """
    machine = describe_machine(measuring.context.recipe.serving.threads)

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        running.advance(0, None, "count parameters")
        size = _size(candidate)
        judge = _encoder_quality if candidate.kind == "encoder" else _generator_quality
        quality, distance = judge(measuring, candidate, original, running)
        running.advance(0, None, "time in turns")
        speed, against_parent = _timed(measuring, candidate, parent)
        return {
            "size": size,
            "speed": speed,
            "against_parent": against_parent,
            "quality": quality,
            "distance": distance,
            "machine": machine,
            "note": _note(size, against_parent, quality),
        }

    graphs = [part.graph.key if part else None for part in (candidate, parent, original)]
    return measuring.context.artifact(
        "measured",
        {
            "graphs": graphs,
            "model": candidate.model.fingerprint,
            "machine": machine,
            **measuring.decided_by,
        },
        make,
        code=[
            "triton_rag_export.evaluate.encoder_quality",
            "triton_rag_export.evaluate.generator_answers",
            "triton_rag_export.evaluate.ledger.timing",
        ],
        own_code=[__name__, "triton_rag_export.build.workloads"],
        libraries=LIBRARIES,
        title=f"measure the {candidate.kind}: {candidate.step}",
    )


def _size(candidate: Candidate) -> dict[str, int]:
    parameters, nonzero = count_parameters(candidate.model.source, candidate.kind)
    return {
        "parameters": parameters,
        "nonzero": nonzero,
        "graph_bytes": int(candidate.graph.facts["size_bytes"]),
    }


def _timed(
    measuring: Measuring, candidate: Candidate, parent: Candidate | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    turns = measuring.context.recipe.ledger.turns
    work = workload(measuring.context, measuring.passages, measuring.prompt, candidate.kind)
    name = f"{candidate.kind} after {candidate.step!r}"
    if parent is None:
        return dataclasses.asdict(time_alone(name, work(candidate.graph.folder), turns)), None
    speed, before, latency, throughput = time_beside_parent(
        name, work(candidate.graph.folder), work(parent.graph.folder), turns
    )
    return dataclasses.asdict(speed), {
        "parent": dataclasses.asdict(before),
        "latency": latency,
        "throughput": throughput,
        "graph_bytes": round(candidate.graph.facts["size_bytes"] / parent.graph.facts["size_bytes"], 4),
        "turns": turns,
    }


Figures = dict[str, dict[str, float]]


def _encoder_quality(
    measuring: Measuring, candidate: Candidate, original: Candidate, running: StepProgress
) -> tuple[Figures, Figures]:
    quality: Figures = {}
    distance: Figures = {}
    limit = measuring.context.recipe.ledger.questions
    for name, path in measuring.data_sets.items():
        data = read_judged_data(path, limit)
        own = judged_vectors(measuring, name, path, candidate)
        running.advance(0, None, f"search {name}")
        quality[name] = _rounded(retrieval_quality(data, own.passages, own.questions), RETRIEVAL)
        if candidate is original:
            continue
        teachers = judged_vectors(measuring, name, path, original)
        if teachers.passages.shape[1] == own.questions.shape[1]:
            asymmetric = retrieval_quality(data, teachers.passages, own.questions)
            quality[name + TEACHERS_INDEX] = _rounded(asymmetric, RETRIEVAL)
            distance[name] = {"cosine": round(mean_cosine(teachers.passages, own.passages), 5)}
    return quality, distance


def judged_vectors(measuring: Measuring, name: str, path: Path, candidate: Candidate) -> JudgedVectors:
    """A data set as vectors of a candidate, from the cache where it was embedded before."""
    limit = measuring.context.recipe.ledger.questions

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        data = read_judged_data(path, limit)
        done = 0

        def advance(finished: int) -> None:
            nonlocal done
            done += finished
            running.advance(done, len(data.passages), f"{done / running.seconds:,.0f} passages/s")

        vectors = embed_judged_data(candidate.graph.folder, data, advance)
        np.save(folder / PASSAGES_FILE, vectors.passages)
        np.save(folder / QUESTIONS_FILE, vectors.questions)
        return {"note": f"{len(vectors.passages):,} passages, {len(vectors.questions):,} questions"}

    artifact = measuring.context.artifact(
        "judged-vectors",
        {"graph": candidate.graph.key, "data": data_fingerprint(path), "limit": limit},
        make,
        code=["triton_rag_export.evaluate.encoder_quality"],
        own_code=[__name__],
        libraries=LIBRARIES,
        title=f"embed {name} after {candidate.step!r}",
    )
    return JudgedVectors(np.load(artifact.folder / PASSAGES_FILE), np.load(artifact.folder / QUESTIONS_FILE))


def _generator_quality(
    measuring: Measuring, candidate: Candidate, original: Candidate, running: StepProgress
) -> tuple[Figures, Figures]:
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


def _note(size: Mapping[str, int], against_parent: Mapping[str, Any] | None, quality: Figures) -> str:
    parts = [f"{size['parameters']:,} parameters, {size['graph_bytes'] / 1e6:,.1f} MB"]
    if against_parent is not None:
        parts.append(f"{against_parent['throughput']:.2f} times as fast")
    parts += [
        f"{next(iter(found))} {next(iter(found.values())):.4f} on {name}" for name, found in quality.items()
    ]
    return ", ".join(parts)
