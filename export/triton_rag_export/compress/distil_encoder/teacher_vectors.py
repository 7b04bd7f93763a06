"""The teacher's vectors, computed once and kept on disk under a hash of what decided them."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from triton_rag_export.compress.distil_encoder.token_texts import TokenIds, encoded
from triton_rag_export.compress.distil_encoder.torch_encoder import TorchEncoder
from triton_rag_export.compress.outcome import Progress, Report, StepOutcome
from triton_rag_export.compress.training.flops import FlopMeter
from triton_rag_export.graph.model_source import ModelSource, fingerprint

Vectors = npt.NDArray[np.float32]
TEXTS_A_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class TeacherVectors:
    """What a teacher makes of texts, and what that took whoever computed it.

    Attributes:
        vectors: (texts, width).
        seconds: wall-clock time.
        flops: floating-point operations.
    """

    vectors: Vectors
    seconds: float
    flops: float

    def counted_in(self, outcome: StepOutcome, parts: int = 1) -> StepOutcome:
        """The outcome of a training by these vectors, and what they took.

        Args:
            outcome: of the training alone.
            parts: how many trainings share them.
        """
        return replace(
            outcome,
            training_seconds=outcome.training_seconds + self.seconds / parts,
            training_flops=outcome.training_flops + self.flops / parts,
        )


@dataclass(frozen=True, slots=True)
class _Done:
    """How far a file is, beside it."""

    texts: int = 0
    seconds: float = 0.0
    flops: float = 0.0

    @classmethod
    def read(cls, path: Path) -> Self:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(self)), encoding="utf-8")
        unfinished.replace(path)


def teacher_vectors(
    teacher: TorchEncoder,
    source: ModelSource,
    ids: Sequence[TokenIds],
    pad_id: int,
    folder: Path,
    report: Report = lambda progress: None,
) -> TeacherVectors:
    """Vectors of texts, from the folder or computed now; whoever was killed goes on where it was.

    Args:
        teacher: the encoder, in evaluation mode.
        source: where it is from: its fingerprint is part of the files' names.
        ids: the texts' tokens.
        pad_id: the padding token.
        folder: of the files; made if it is missing.
        report: called after every 1,024 texts.
    """
    digest = hashlib.sha256(f"{fingerprint(source)} {teacher.text}".encode())
    for one in ids:
        digest.update(len(one).to_bytes(4, "little") + one.tobytes())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"teacher-{digest.hexdigest()[:32]}.npy"
    noted = path.with_suffix(".json")
    if not path.is_file():
        unfinished = path.with_suffix(".unfinished.npy")
        _compute(teacher, ids, pad_id, unfinished, noted, report)
        unfinished.replace(path)
    done = _Done.read(noted)
    return TeacherVectors(np.load(path, allow_pickle=False), done.seconds, done.flops)


def _compute(
    teacher: TorchEncoder, ids: Sequence[TokenIds], pad_id: int, path: Path, noted: Path, report: Report
) -> None:
    """Fill the file from where it was left, the longest texts first."""
    shape = (len(ids), teacher.width)
    done = _Done.read(noted) if path.is_file() else _Done()
    vectors = np.lib.format.open_memmap(path, "r+" if done.texts else "w+", np.float32, shape)
    order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
    for start in range(done.texts, len(order), TEXTS_A_CHUNK):
        rows, meter, started_s = order[start : start + TEXTS_A_CHUNK], FlopMeter(), time.monotonic()
        vectors[rows] = encoded(teacher, [ids[row] for row in rows], pad_id, meter=meter)
        vectors.flush()
        seconds = done.seconds + time.monotonic() - started_s
        done = _Done(start + len(rows), seconds, done.flops + meter.total)
        done.write(noted)
        report(Progress.before_training("texts embedded by the teacher", done.texts, len(order)))


def nearest(
    queries: Vectors, passages: Vectors, count: int, excluded: Sequence[set[int]]
) -> npt.NDArray[np.int64]:
    """The places of the nearest passages of each query by inner product, best first.

    Args:
        queries: (queries, width).
        passages: (passages, width).
        count: how many.
        excluded: for each query, the places that do not count.

    Returns:
        (queries, count).
    """
    found = np.empty((len(queries), count), dtype=np.int64)
    most = min(len(passages), count + max(map(len, excluded), default=0))
    for start in range(0, len(queries), TEXTS_A_CHUNK):
        scores = queries[start : start + TEXTS_A_CHUNK] @ passages.T
        best = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        for row, candidates in enumerate(best):
            ranked = candidates[np.argsort(-scores[row, candidates], kind="stable")]
            kept = [place for place in ranked.tolist() if place not in excluded[start + row]]
            found[start + row] = kept[:count]
    return found
