"""A teacher's soft labels on disk: made once, so that many students train without the teacher in memory.

A folder holds `labels.json`, which says of whom and of what they are, and shards `labels-00000.safetensors`
and on, each the rows of so many examples one below the other:

    log_probabilities  (rows, k)  float32, natural logarithms at temperature 1, the largest first
    token_ids          (rows, k)  int32; missing where k is the whole vocabulary
    rest               (rows, 4)  float32, see `soft_labels`; missing with them

A shard is written beside its place and renamed, so that making them can be killed and goes on where it was.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

import torch

from triton_rag_export.compress.distil_generator.batches import Batch, Collator, label_logits
from triton_rag_export.compress.distil_generator.examples import Example, Examples
from triton_rag_export.compress.distil_generator.soft_labels import SoftLabels
from triton_rag_export.compress.distil_generator.teacher import on_device
from triton_rag_export.errors import BuildError

INFO_FILE = "labels.json"
EXAMPLES_A_SHARD = 256
FORMAT = 1


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """Of whom and of what soft labels are.

    Attributes:
        teacher: SHA-256 over the teacher's weights, configuration and tokenizer.
        examples: SHA-256 over the token ids of all examples.
        k: how many tokens are kept of each position; as large as the vocabulary, all.
        vocabulary: how many tokens there are.
        rows: of each example.
        format: of the files.
    """

    teacher: str
    examples: str
    k: int
    vocabulary: int
    rows: tuple[int, ...]
    format: int = FORMAT

    @classmethod
    def of(cls, teacher: str, examples: Examples, k: int, vocabulary: int) -> Self:
        """What the soft labels of some examples are to be."""
        rows = tuple(len(example.answer) for example in examples.items)
        return cls(teacher, examples.fingerprint, min(k, vocabulary), vocabulary, rows)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything here, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def shards(self) -> int:
        """How many files there are."""
        return -(-len(self.rows) // EXAMPLES_A_SHARD)


def make_teacher_cache(
    model: Any,
    examples: Sequence[Example],
    collate: Collator,
    info: CacheInfo,
    folder: Path,
    *,
    batch_size: int,
    part: tuple[int, int] = (0, 1),
    advanced: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the shards that are not there yet.

    Args:
        model: the teacher, in evaluation mode.
        examples: all of them.
        collate: lays them side by side.
        info: what the folder is to hold.
        folder: made if it is missing.
        batch_size: examples that the teacher reads at a time.
        part: this process' number and how many there are: each writes every so many shards.
        advanced: is told how many shards of how many are done.

    Raises:
        BuildError: the folder holds other soft labels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_info(folder, info)
    logits = label_logits(model)
    for shard in range(part[0], info.shards, part[1]):
        path = _shard_path(folder, shard)
        if not path.is_file():
            first = shard * EXAMPLES_A_SHARD
            numbered = list(enumerate(examples[first : first + EXAMPLES_A_SHARD], start=first))
            found = []
            for start in range(0, len(numbered), batch_size):
                batch = on_device(collate(numbered[start : start + batch_size]), model.device)
                with torch.inference_mode():
                    found.append(SoftLabels.most_probable(logits(model, batch), info.k))
            _write_shard(path, found)
        advanced(shard + 1, info.shards)


class CachedTeacher:
    """Soft labels read from a folder.

    Args:
        folder: what `make_teacher_cache` filled.
        info: what it has to hold.

    Raises:
        BuildError: it holds other soft labels, or some are missing.
    """

    def __init__(self, folder: Path, info: CacheInfo) -> None:
        from safetensors import safe_open

        _check_info(folder, info)
        missing = [shard for shard in range(info.shards) if not _shard_path(folder, shard).is_file()]
        if missing:
            raise BuildError(
                f"{folder} lacks {len(missing)} of {info.shards} files of soft labels, such as "
                f"{_shard_path(folder, missing[0]).name}; make them again"
            )
        self._info = info
        self._files: list[Any] = [safe_open(_shard_path(folder, shard), "pt") for shard in range(info.shards)]
        self._starts = [
            list(accumulate(info.rows[first : first + EXAMPLES_A_SHARD], initial=0))
            for first in range(0, len(info.rows), EXAMPLES_A_SHARD)
        ]

    def soft_labels(self, batch: Batch) -> SoftLabels:
        """Those of a batch's rows, on the batch's device."""
        places = [divmod(number, EXAMPLES_A_SHARD) for number in batch["example_ids"].tolist()]
        device = batch["labels"].device
        log_probabilities = self._rows("log_probabilities", places).to(device)
        if self._info.k == self._info.vocabulary:
            return SoftLabels(log_probabilities)
        token_ids, rest = (self._rows(name, places).to(device) for name in ("token_ids", "rest"))
        return SoftLabels(log_probabilities, token_ids.long(), rest, self._info.vocabulary - self._info.k)

    def _rows(self, name: str, places: Sequence[tuple[int, int]]) -> torch.Tensor:
        return torch.cat(
            [
                self._files[shard].get_slice(name)[
                    self._starts[shard][place] : self._starts[shard][place + 1]
                ]
                for shard, place in places
            ]
        )


def _shard_path(folder: Path, shard: int) -> Path:
    return folder / f"labels-{shard:05d}.safetensors"


def _write_shard(path: Path, found: Sequence[SoftLabels]) -> None:
    from safetensors.torch import save_file

    tensors = {"log_probabilities": torch.cat([part.log_probabilities for part in found])}
    if found[0].token_ids is not None:
        tensors["token_ids"] = torch.cat(
            [part.token_ids.int() for part in found if part.token_ids is not None]
        )
        tensors["rest"] = torch.cat([part.rest for part in found if part.rest is not None])
    beside = path.with_suffix(f".{os.getpid()}.part")
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, beside)
    beside.replace(path)


def _write_info(folder: Path, info: CacheInfo) -> None:
    path = folder / INFO_FILE
    if path.is_file():
        _check_info(folder, info)
        return
    beside = path.with_suffix(f".{os.getpid()}.part")
    beside.write_text(json.dumps(asdict(info)) + "\n", encoding="utf-8")
    beside.replace(path)


def _check_info(folder: Path, info: CacheInfo) -> None:
    path = folder / INFO_FILE
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} cannot be read ({error}); make the soft labels again") from error
    wanted = json.loads(json.dumps(asdict(info)))
    different = sorted(key for key in wanted if not isinstance(held, dict) or held.get(key) != wanted[key])
    if different:
        raise BuildError(
            f"{folder} holds soft labels of another {' and '.join(different)}; remove it, or name another"
        )
