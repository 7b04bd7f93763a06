"""The steps over text: documents to passages, passages to vectors, both to the index."""

import dataclasses
import hashlib
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.corpus import (
    Document,
    Passage,
    cut_passages,
    read_documents,
    whole_passages,
    without_duplicates,
)
from triton_rag_export.errors import CorpusError
from triton_rag_export.evaluate.indexed_ids import REPETITIONS_FILE, write_repetitions
from triton_rag_export.recipe import CorpusRecipe

PASSAGES_FILE = "passages.jsonl"
VECTORS_FILE = "vectors.npy"
DOCUMENTS_A_REPORT = 500


def cut_corpus(context: BuildContext) -> Artifact:
    """Read the corpus and cut it into passages, each text once."""
    corpus = context.recipe.corpus

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        documents = _read_all(corpus, running)
        unique = without_duplicates(_cut(context, documents))
        _write_passages(unique.passages, folder)
        write_repetitions(unique.kept_ids, folder)
        note = f"{len(unique.passages):,} passages of {len(documents):,} documents"
        return {
            "documents": len(documents),
            "passages": len(unique.passages),
            "repetitions": len(unique.kept_ids),
            "note": note,
        }

    inputs = {
        "corpus": corpus.model_dump(mode="json", exclude={"path"}),
        "content": corpus_fingerprint(corpus),
        "tokenizer": context.encoder.fingerprint if corpus.cut == "tokens" else None,
    }
    return context.artifact(
        "passages",
        inputs,
        make,
        code=["triton_rag_export.corpus"],
        own_code=[__name__],
        libraries=["beautifulsoup4", "tokenizers", "transformers"],
        title="cut the corpus",
    )


def embed_corpus(context: BuildContext, passages: Artifact, encoder: Artifact) -> Artifact:
    """Embed every passage with the graph that will serve."""
    prefix = context.recipe.encoder.passage_prefix

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        from query_encoding import QueryEncoder
        from query_tokenization import QueryTokenizer

        from triton_rag_export.index import embed_passages, indexed_text

        texts = [indexed_text(passage) for passage in read_passages(passages.folder)]
        done = 0

        def advance(finished: int) -> None:
            nonlocal done
            done += finished
            running.advance(done, len(texts), f"{done / running.seconds:,.0f} passages/s")

        embedded = embed_passages(
            texts,
            QueryTokenizer.load(encoder.folder),
            QueryEncoder.load(encoder.folder),
            prefix=prefix,
            progress=advance,
        )
        np.save(folder / VECTORS_FILE, embedded.vectors)
        return {
            "passages_per_s": round(embedded.texts_per_s, 1),
            "tokens_per_s": round(embedded.tokens_per_s, 1),
            "tokens": embedded.tokens,
            "cut_short": embedded.cut_short,
            "note": f"{embedded.texts_per_s:,.0f} passages/s, {embedded.tokens_per_s:,.0f} tokens/s",
        }

    inputs = {"passages": passages.key, "encoder": encoder.key, "prefix": prefix}
    return context.artifact(
        "vectors",
        inputs,
        make,
        code=["triton_rag_export.index.embed"],
        own_code=[__name__, "triton_rag_export.index.build"],  # for its indexed_text
        libraries=["numpy", "onnxruntime", "tokenizers"],
        title="embed the passages",
    )


def index_corpus(context: BuildContext, passages: Artifact, vectors: Artifact, encoder: Artifact) -> Artifact:
    """Build the indexes of words and vectors."""
    retrieval = context.recipe.retrieval

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        from query_encoding import EncoderSettings

        from triton_rag_export.index import build_index

        report = build_index(
            read_passages(passages.folder),
            np.load(vectors.folder / VECTORS_FILE),
            retrieval,
            EncoderSettings.read(encoder.folder).fingerprint,
            folder,
        )
        (folder / REPETITIONS_FILE).write_bytes((passages.folder / REPETITIONS_FILE).read_bytes())
        note = f"{report.size_bytes / 1e6:,.0f} MB, {report.dense} search over {report.passages:,} vectors"
        return {**dataclasses.asdict(report), "note": note}

    inputs = {"vectors": vectors.key, "retrieval": retrieval.model_dump(mode="json")}
    return context.artifact(
        "index",
        inputs,
        make,
        code=["triton_rag_export.index.build"],
        own_code=[__name__],
        libraries=["bm25s", "faiss-cpu", "numpy"],
        title="build the index",
    )


def corpus_fingerprint(corpus: CorpusRecipe) -> str:
    """What the corpus's content is: Python's version, or a hash over the files.

    Raises:
        CorpusError: a file cannot be read.
    """
    if corpus.path is None:
        return f"Python {platform.python_version()}"
    files = (
        [corpus.path] if corpus.path.is_file() else sorted(p for p in corpus.path.rglob("*") if p.is_file())
    )
    digest = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise CorpusError(
                f"{path} cannot be read ({error}): make it readable, or move it away"
            ) from error
        digest.update(f"{path.relative_to(corpus.path.parent).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def read_passages(folder: Path) -> tuple[Passage, ...]:
    """The passages of an artifact that `cut_corpus` made."""
    with (folder / PASSAGES_FILE).open(encoding="utf-8") as file:
        return tuple(Passage(*json.loads(line)) for line in file)


def _write_passages(passages: Sequence[Passage], folder: Path) -> None:
    with (folder / PASSAGES_FILE).open("w", encoding="utf-8") as file:
        for passage in passages:
            file.write(json.dumps(dataclasses.astuple(passage)) + "\n")


def _read_all(corpus: CorpusRecipe, running: StepProgress) -> list[Document]:
    documents: list[Document] = []
    for document in read_documents(corpus):
        documents.append(document)
        if len(documents) % DOCUMENTS_A_REPORT == 0:
            running.advance(len(documents), None, "documents read")
    return documents


def _cut(context: BuildContext, documents: Sequence[Document]) -> list[Passage]:
    from triton_rag_export.graph.model_source import load_tokenizer

    corpus = context.recipe.corpus
    if corpus.cut == "none":
        return whole_passages(documents)
    return cut_passages(
        documents,
        load_tokenizer(context.encoder.source).backend_tokenizer,
        passage_tokens=corpus.passage_tokens,
        overlap_tokens=corpus.overlap_tokens,
    )
