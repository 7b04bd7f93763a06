"""What INT8 costs retrieval: nDCG@10 of the FP32 encoder and of the served one, over judged questions.

A data set is a folder with `passages.jsonl` (`id`, `title`, `text`) and `questions.dev.jsonl` (as for
`triton-rag evaluate`). Search is exact and dense alone, so that nothing but the encoder differs.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext
from triton_rag_export.build.model_steps import encoder_graph
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.errors import BuildError
from triton_rag_export.evaluate.questions import Question, read_questions
from triton_rag_export.evaluate.retrieval_measures import retrieval_measures
from triton_rag_export.repository.manifest import sha256_of

if TYPE_CHECKING:
    from query_encoding import QueryEncoder
    from query_tokenization import QueryTokenizer

PASSAGES_FILE = "passages.jsonl"
QUESTIONS_FILE = "questions.dev.jsonl"
PASSAGES_A_QUESTION = 20
"""With a limit, so many passages a question are kept beside the right ones."""
DEPTH = 50
QUESTIONS_A_SEARCH = 64

Vectors = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True)
class _DataSet:
    """Judged questions over passages: ids and texts in the same order."""

    questions: Sequence[Question]
    passage_ids: Sequence[str]
    passage_texts: Sequence[str]


def measure_retrieval_quality(
    context: BuildContext, passages: Artifact, encoder: Artifact, folder: Path | None, limit: int | None
) -> dict[str, Mapping[str, float]]:
    """Measure the served encoder against FP32 on every data set below a folder.

    Args:
        context: the build.
        passages: of the build's corpus, what INT8 was calibrated with.
        encoder: the graph that will serve.
        folder: data sets, at any depth; None measures nothing.
        limit: so many questions of each data set, and as many passages a question as `PASSAGES_A_QUESTION`.

    Returns:
        Figures by data set: nDCG@10 of both, mean cosine, and counts.

    Raises:
        BuildError: there is no data set in the folder.
    """
    if folder is None:
        return {}
    names = sorted(path.parent for path in folder.rglob(QUESTIONS_FILE))
    if not names:
        raise BuildError(
            f"{folder} holds no data set: name a folder with {PASSAGES_FILE} and {QUESTIONS_FILE}, "
            "or one above such folders"
        )
    reference = encoder_graph(context, passages, "fp32")
    results: dict[str, Mapping[str, float]] = {}
    for path in names:
        name = path.relative_to(folder).as_posix() if path != folder else folder.name
        facts = _measured(context, name, path, limit, reference, encoder).facts
        results[name] = {key: value for key, value in facts.items() if key != "note"}
    return results


def _measured(
    context: BuildContext, name: str, path: Path, limit: int | None, reference: Artifact, encoder: Artifact
) -> Artifact:
    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        data = _read(path, limit)
        total = 2 * len(data.passage_ids)
        expected = _embed(reference, data, running, 0, total)
        given = _embed(encoder, data, running, len(data.passage_ids), total)
        before, after = _ndcg(data, *expected), _ndcg(data, *given)
        cosine = float(np.mean(_cosines(expected[0], given[0])))
        return {
            "ndcg_at_10_fp32": before,
            "ndcg_at_10": after,
            "mean_cosine_to_fp32": cosine,
            "questions": len(data.questions),
            "passages": len(data.passage_ids),
            "note": f"nDCG@10 {after:.4f}, in fp32 {before:.4f}; cosine {cosine:.4f}",
        }

    content = [sha256_of(path / file) for file in (PASSAGES_FILE, QUESTIONS_FILE)]
    return context.artifact(
        "quality",
        {"data": content, "limit": limit, "encoders": [reference.key, encoder.key]},
        make,
        code=["triton_rag_export.index.embed", "triton_rag_export.evaluate.retrieval_measures"],
        own_code=[__name__, "triton_rag_export.evaluate.questions", "triton_rag_export.index.build"],
        libraries=["ir-measures", "onnxruntime"],
        title=f"measure retrieval on {name}",
    )


def _read(path: Path, limit: int | None) -> _DataSet:
    from triton_rag_export.corpus import whole_passages
    from triton_rag_export.corpus.json_lines import read_json_lines
    from triton_rag_export.index import indexed_text

    questions = read_questions(path / QUESTIONS_FILE, limit)
    passages = whole_passages(read_json_lines(path / PASSAGES_FILE))
    if limit is not None:
        right = {name for question in questions for name in question.relevant}
        others = (passage for passage in passages if passage.id not in right)
        wanted = [passage for passage in passages if passage.id in right]
        passages = [*wanted, *list(others)[: PASSAGES_A_QUESTION * limit]]
    return _DataSet(questions, [p.id for p in passages], [indexed_text(p) for p in passages])


def _embed(
    encoder: Artifact, data: _DataSet, running: StepProgress, done: int, total: int
) -> tuple[Vectors, Vectors]:
    """Vectors of the passages and of the questions."""
    from query_encoding import EncoderSettings, QueryEncoder
    from query_tokenization import QueryTokenizer

    from triton_rag_export.index import embed_passages

    def advance(finished: int) -> None:
        nonlocal done
        done += finished
        running.advance(done, total, f"{done / running.seconds:,.0f} passages/s")

    tokenizer, graph = QueryTokenizer.load(encoder.folder), QueryEncoder.load(encoder.folder)
    prefix = str(EncoderSettings.read(encoder.folder).fingerprint["passage_prefix"])
    embedded = embed_passages(data.passage_texts, tokenizer, graph, prefix=prefix, progress=advance)
    return embedded.vectors, _embed_questions(data.questions, tokenizer, graph)


def _embed_questions(
    questions: Sequence[Question], tokenizer: "QueryTokenizer", encoder: "QueryEncoder"
) -> Vectors:
    prefix = tokenizer.settings.query_prefix
    return encoder.encode_ragged(tokenizer.encode_texts([prefix + question.text for question in questions]))


def _ndcg(data: _DataSet, passages: Vectors, questions: Vectors) -> float:
    depth = min(DEPTH, len(passages))
    rankings: list[list[str]] = []
    for start in range(0, len(questions), QUESTIONS_A_SEARCH):
        scores = questions[start : start + QUESTIONS_A_SEARCH] @ passages.T  # (questions, passages)
        for row in scores:
            best = np.argsort(-row, kind="stable")[:depth]
            rankings.append([data.passage_ids[index] for index in best])
    return retrieval_measures([question.relevant for question in data.questions], rankings)["nDCG@10"]


def _cosines(left: Vectors, right: Vectors) -> npt.NDArray[np.float64]:
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines: npt.NDArray[np.float64] = np.einsum("rd,rd->r", left, right, dtype=np.float64) / norms
    return cosines
