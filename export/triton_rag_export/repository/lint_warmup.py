"""Check that every step is warmed: samples for each bucket, over data files that are there and fit."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triton_rag_export.repository.config import CONFIG_FILE, data_type_name, forwards_to, is_ensemble
from triton_rag_export.repository.findings import REBUILD, RESTORE, Finding
from triton_rag_export.repository.warmup import TRITON_TYPES, WARMUP_FOLDER, count_strings
from triton_rag_export.repository.warmup_samples import bucket_texts

BUCKETS_FILE = "query_tokenizer.json"
SEARCH_MODEL, RETRIEVERS = "passage_search", ("dense", "bm25", "hybrid")
_ITEM_BYTES = {triton: np.dtype(numpy).itemsize for numpy, triton in TRITON_TYPES.items()}


def check_warmup(repository: Path, configs: Mapping[str, Any]) -> Iterator[Finding]:
    """Models without warm-up, and samples that Triton would refuse."""
    for name, config in configs.items():
        if is_ensemble(config):
            continue
        if not config.model_warmup and not _is_warmed_by_another(name, configs):
            yield Finding(
                Path(name, CONFIG_FILE),
                "is not warmed: it has no model_warmup",
                f"add a sample a bucket, or {REBUILD}",
            )
        for sample in config.model_warmup:
            yield from _check_sample(repository, name, config, sample)
    yield from _check_buckets(repository, configs)
    yield from _check_retrievers(configs)


def _is_warmed_by_another(name: str, configs: Mapping[str, Any]) -> bool:
    """Whether a model only forwards to another one, which is warmed itself."""
    target = forwards_to(configs[name])
    return target in configs and bool(configs[target].model_warmup)


def _check_sample(repository: Path, name: str, config: Any, sample: Any) -> Iterator[Finding]:
    file = Path(name, CONFIG_FILE)
    declared = {tensor.name: tensor for tensor in config.input}
    if sample.batch_size < 1:
        yield Finding(file, f"warm-up {sample.name!r} has batch_size 0: nothing is sent", REBUILD)
    for key in sorted(set(sample.inputs) - set(declared)):
        yield Finding(file, f"warm-up {sample.name!r} sends {key!r}, which is no input of the model", REBUILD)
    for key, tensor in declared.items():
        if key not in sample.inputs:
            if not tensor.optional:
                yield Finding(file, f"warm-up {sample.name!r} leaves out {key!r}", REBUILD)
            continue
        sent = sample.inputs[key]
        if sent.data_type != tensor.data_type or not _fits(tensor.dims, sent.dims):
            is_sent = f"{data_type_name(sent.data_type)} {list(sent.dims)}"
            is_taken = f"{data_type_name(tensor.data_type)} {list(tensor.dims)}"
            problem = f"warm-up {sample.name!r} sends {key!r} as {is_sent}, but the model takes {is_taken}"
            yield Finding(file, problem, REBUILD)
        elif sent.input_data_file:
            yield from _check_data(repository, Path(name, WARMUP_FOLDER, sent.input_data_file), sent)
        else:
            yield Finding(file, f"warm-up {sample.name!r} sends no file as {key!r}", "use input_data_file")


def _check_data(repository: Path, file: Path, sent: Any) -> Iterator[Finding]:
    path = repository / file
    if not path.is_file():
        yield Finding(file, "is missing: a warm-up sample needs it", REBUILD)
        return
    count = int(np.prod(list(sent.dims), dtype=np.int64))
    data_type = data_type_name(sent.data_type)
    if data_type == "TYPE_STRING":
        found = count_strings(path.read_bytes())
        if found != count:
            held = "no serialized strings" if found is None else f"{found} strings"
            yield Finding(file, f"holds {held}, the sample wants {count}", REBUILD)
    elif data_type in _ITEM_BYTES and path.stat().st_size != count * _ITEM_BYTES[data_type]:
        yield Finding(
            file,
            f"has {path.stat().st_size} bytes, the sample wants {count * _ITEM_BYTES[data_type]}",
            REBUILD,
        )


def _check_buckets(repository: Path, configs: Mapping[str, Any]) -> Iterator[Finding]:
    """The encoder must have seen every bucket, the tokenizer those that a query reaches."""
    from query_tokenization import QueryTokenizer, TokenizerFilesError

    for path in sorted((repository / "query_tokenizer").glob(f"*/{BUCKETS_FILE}")):
        try:
            tokenizer = QueryTokenizer.load(path.parent)
        except TokenizerFilesError as error:
            yield Finding(path.relative_to(repository), f"names no buckets ({error})", RESTORE)
            continue
        needed = {
            "query_tokenizer": [text.bucket for text in bucket_texts(tokenizer)],
            "query_encoder": list(tokenizer.settings.buckets),
        }
        for name, buckets in needed.items():
            samples = {sample.name for sample in configs[name].model_warmup} if name in configs else set()
            missing = [bucket for bucket in buckets if f"bucket_{bucket}" not in samples]
            if samples and missing:
                yield Finding(
                    Path(name, CONFIG_FILE),
                    f"is not warmed for buckets {', '.join(map(str, missing))}",
                    f"add a sample for each, or {REBUILD}",
                )


def _check_retrievers(configs: Mapping[str, Any]) -> Iterator[Finding]:
    """Each retriever is another way through the search, and must have been gone once."""
    config = configs.get(SEARCH_MODEL)
    samples = {sample.name for sample in config.model_warmup} if config is not None else set()
    missing = [name for name in RETRIEVERS if name not in samples]
    if samples and missing:
        yield Finding(
            Path(SEARCH_MODEL, CONFIG_FILE),
            f"is not warmed for {', '.join(missing)}",
            f"add a sample for each, or {REBUILD}",
        )


def _fits(declared: Any, sent: Any) -> bool:
    return len(declared) == len(sent) and all(
        want in (-1, got) for want, got in zip(declared, sent, strict=True)
    )
