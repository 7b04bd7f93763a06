"""What decides the result of a step of compression beside its code: a student is never taken for another's.

A model and a table are not all: the files that the table names, what lies beside them, the frame of the
prompts that a generator learns in, and the running Python where its documentation is read.
"""

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext, FoundModel, find_model
from triton_rag_export.build.corpus_steps import CONTENT
from triton_rag_export.build.model_steps import PROMPT_SETTINGS, TEXT_SETTINGS
from triton_rag_export.evaluate.indexed_ids import REPETITIONS_FILE
from triton_rag_export.evaluate.judged_data import PASSAGES_FILE
from triton_rag_export.evaluate.ledger.row import Kind
from triton_rag_export.recipe.compression import EncoderDistilRecipe
from triton_rag_export.recipe.table import Table
from triton_rag_export.repository.manifest import sha256_of


def step_inputs(
    context: BuildContext, passages: Artifact, kind: Kind, table: Table, model: FoundModel
) -> dict[str, Any]:
    """Everything but code and libraries that decides what a step makes, as JSON values.

    Args:
        context: the build.
        passages: the cut corpus.
        kind: of model.
        table: of the step.
        model: that the step reads.

    Raises:
        ModelSourceError: a student that the table names is not there.
    """
    tables = list(_tables(table))
    files = [path for each in tables for path in _paths(each)]
    own = (
        _encoder_inputs(context, passages, tables) if kind == "encoder" else _generator_inputs(context, files)
    )
    return {
        "model": model.fingerprint,
        "settings": table.model_dump(mode="json"),
        "files": [sha256_of(path) for path in files],
        "student": _student(table),
        "passages": passages.facts[CONTENT],
        **own,
    }


def _encoder_inputs(context: BuildContext, passages: Artifact, tables: Sequence[Table]) -> dict[str, Any]:
    """Texts become vectors as they will be served; questions name passages that repeat others."""
    reads_python_docs = any(
        isinstance(table, EncoderDistilRecipe) and table.python_docs and table.general_texts > 0
        for table in tables
    )
    return {
        "text": context.recipe.encoder.model_dump(mode="json", include=TEXT_SETTINGS),
        "repetitions": sha256_of(passages.folder / REPETITIONS_FILE),
        "python": platform.python_version() if reads_python_docs else None,
    }


def _generator_inputs(context: BuildContext, files: Sequence[Path]) -> dict[str, Any]:
    """Questions are learned in the prompt that will be served, from the passages beside their file."""
    recipe = context.recipe.generator
    frame = PROMPT_SETTINGS - {"context_tokens"}
    beside = [path.with_name(PASSAGES_FILE) for path in files]
    return {
        "prompt": recipe.model_dump(mode="json", include=frame) if recipe else None,
        "beside": [sha256_of(path) if path.is_file() else None for path in beside],
    }


def _tables(table: Table) -> Iterator[Table]:
    """A table and those in it."""
    yield table
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, Table):
            yield from _tables(value)


def _paths(table: Table) -> Iterator[Path]:
    for name in type(table).model_fields:
        value = getattr(table, name)
        yield from (path for path in (value if isinstance(value, tuple) else ()) if isinstance(path, Path))


def _student(table: Table) -> str | None:
    name = getattr(table, "student", "")
    return find_model(name).fingerprint if name else None
