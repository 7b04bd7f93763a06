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
from triton_rag_export.build.encoder_pair import refuse_strangers
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.corpus import (
    Document,
    Passage,
    cut_passages,
    read_documents,
    refuse_repeated_ids,
    whole_passages,
    without_duplicates,
)
from triton_rag_export.corpus.folder_files import files_to_read
from triton_rag_export.errors import BuildError, CorpusError
from triton_rag_export.evaluate.indexed_ids import ID_FILES, write_indexed_ids
from triton_rag_export.recipe import CorpusRecipe
from triton_rag_export.repository.manifest import sha256_of

PASSAGES_FILE = "passages.jsonl"
CONTENT = "passages_sha256"
"""The fact of a cut corpus that later steps depend on: the same passages from other files change nothing."""
VECTORS_FILE = "vectors.npy"
DOCUMENTS_A_REPORT = 500


def cut_corpus(context: BuildContext) -> Artifact:
    """Read the corpus and cut it into passages, each text once."""
    corpus = context.recipe.corpus

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        documents = _read_all(corpus, running)
        passages = _cut(context, documents)
        refuse_repeated_ids(passages)
        unique = without_duplicates(passages)
        _write_passages(unique.passages, folder)
        write_indexed_ids(passages, unique.kept_ids, folder)
        note = f"{len(unique.passages):,} passages of {len(documents):,} documents"
        return {
            "documents": len(documents),
            "passages": len(unique.passages),
            "repetitions": len(unique.kept_ids),
            CONTENT: sha256_of(folder / PASSAGES_FILE),
            "note": note,
        }

    inputs = {
        "corpus": corpus.model_dump(mode="json", exclude={"path"}),
        "content": corpus_fingerprint(corpus),
        "tokenizer": [context.indexing_encoder.fingerprint, *_room_settings(context)]
        if corpus.cut == "tokens"
        else None,
    }
    return context.artifact(
        "passages",
        inputs,
        make,
        code=["triton_rag_export.corpus", "triton_rag_export.graph.encoder_limits"],
        own_code=[__name__, "triton_rag_export.evaluate.indexed_ids"],
        libraries=["beautifulsoup4", "tokenizers", "transformers"],
        title="cut the corpus",
    )


def embed_corpus(context: BuildContext, passages: Artifact, encoder: Artifact) -> Artifact:
    """Embed every passage with the graph that will serve."""

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        from query_encoding import EncoderSettings, QueryEncoder
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
            prefix=str(EncoderSettings.read(encoder.folder).fingerprint["passage_prefix"]),
            progress=advance,
        )
        np.save(folder / VECTORS_FILE, embedded.vectors)
        note = f"{embedded.texts_per_s:,.0f} passages/s, {embedded.tokens_per_s:,.0f} tokens/s"
        if embedded.cut_short:
            note += f", {embedded.cut_short:,} passages cut short: longer than the encoder reads"
        return {
            "passages_per_s": round(embedded.texts_per_s, 1),
            "tokens_per_s": round(embedded.tokens_per_s, 1),
            "tokens": embedded.tokens,
            "cut_short": embedded.cut_short,
            "note": note,
        }

    inputs = {"passages": passages.facts[CONTENT], "encoder": encoder.key}
    return context.artifact(
        "vectors",
        inputs,
        make,
        code=["triton_rag_export.index.embed"],
        own_code=[__name__, "triton_rag_export.index.build"],  # for its indexed_text
        libraries=["numpy", "onnxruntime", "tokenizers"],
        title="embed the passages",
    )


def index_corpus(
    context: BuildContext, passages: Artifact, vectors: Artifact, encoder: Artifact, embedding: Artifact
) -> Artifact:
    """Build the indexes of words and vectors.

    Args:
        context: the build.
        passages: the cut corpus.
        vectors: its embedding.
        encoder: the graph that queries will go through.
        embedding: the graph that made the vectors.
    """
    retrieval = context.recipe.retrieval

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        from query_encoding import EncoderSettings

        from triton_rag_export.index import build_index

        read, loaded, by_other = read_passages(passages.folder), np.load(vectors.folder / VECTORS_FILE), None
        if embedding.key != encoder.key:
            refuse_strangers(context, read, loaded, encoder)
            by_other = EncoderSettings.read(embedding.folder).fingerprint
        report = build_index(
            read,
            loaded,
            retrieval,
            EncoderSettings.read(encoder.folder).fingerprint,
            folder,
            passage_fingerprint=by_other,
        )
        for name in ID_FILES:
            (folder / name).write_bytes((passages.folder / name).read_bytes())
        note = f"{report.size_bytes / 1e6:,.0f} MB, {report.dense} search over {report.passages:,} vectors"
        return {**dataclasses.asdict(report), "note": note}

    inputs = {
        "embedded": [vectors.key, encoder.key],
        "ids": [sha256_of(passages.folder / name) for name in ID_FILES],
        "retrieval": retrieval.model_dump(mode="json"),
    }
    return context.artifact(
        "index",
        inputs,
        make,
        code=["triton_rag_export.index.build"],
        own_code=[__name__, "triton_rag_export.build.encoder_pair"],
        libraries=["bm25s", "faiss-cpu", "numpy"],
        title="build the index",
    )


def corpus_fingerprint(corpus: CorpusRecipe) -> str:
    """What the corpus's content is: Python's version, or a hash over the files that are read.

    Raises:
        CorpusError: a file that is to be read cannot be.
    """
    if corpus.path is None:
        return f"Python {platform.python_version()}"
    files = [corpus.path] if corpus.path.is_file() else files_to_read(corpus.path)
    digest = hashlib.sha256()
    for path in files:
        try:
            content = sha256_of(path)
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
    from triton_rag_export.graph.encoder_limits import passage_room
    from triton_rag_export.graph.model_source import load_tokenizer

    corpus = context.recipe.corpus
    if corpus.cut == "none":
        return whole_passages(documents)
    source = context.indexing_encoder.source
    room = passage_room(source, *_room_settings(context))
    if corpus.passage_tokens > room:
        raise BuildError(
            f"corpus.passage_tokens = {corpus.passage_tokens}: allowed are at most {room}, what the encoder "
            f"{source.name} reads less its special tokens and encoder.passage_prefix"
        )
    return cut_passages(
        documents,
        load_tokenizer(source).backend_tokenizer,
        passage_tokens=corpus.passage_tokens,
        overlap_tokens=corpus.overlap_tokens,
        read_tokens=room,
    )


def _room_settings(context: BuildContext) -> tuple[int | None, str | None]:
    """What the recipe decides about how much of a passage the encoder reads."""
    return context.recipe.encoder.max_tokens, context.recipe.encoder.passage_prefix
