"""The teacher's vectors, computed once and kept on disk under a hash of what decided them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from triton_rag_export.compress.distil_encoder.token_texts import TokenIds, encoded
from triton_rag_export.compress.distil_encoder.torch_encoder import TorchEncoder
from triton_rag_export.graph.model_source import ModelSource, fingerprint

Vectors = npt.NDArray[np.float32]
_ROWS_A_CHUNK = 1024


def teacher_vectors(
    teacher: TorchEncoder, source: ModelSource, ids: Sequence[TokenIds], pad_id: int, folder: Path
) -> Vectors:
    """Vectors (texts, width) of texts, from the folder or computed now.

    Args:
        teacher: the encoder, in evaluation mode.
        source: where it is from: its fingerprint is part of the files' names.
        ids: the texts' tokens.
        pad_id: the padding token.
        folder: of the files; made if it is missing.
    """
    digest = hashlib.sha256(f"{fingerprint(source)} {teacher.text}".encode())
    for one in ids:
        digest.update(len(one).to_bytes(4, "little") + one.tobytes())
    path = folder / f"teacher-{digest.hexdigest()[:32]}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        vectors = encoded(teacher, ids, pad_id)
        unfinished = path.with_suffix(".unfinished.npy")
        np.save(unfinished, vectors)
        unfinished.replace(path)
    kept: Vectors = np.load(path, allow_pickle=False)
    return kept


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
    for start in range(0, len(queries), _ROWS_A_CHUNK):
        scores = queries[start : start + _ROWS_A_CHUNK] @ passages.T
        best = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        for row, candidates in enumerate(best):
            ranked = candidates[np.argsort(-scores[row, candidates], kind="stable")]
            kept = [place for place in ranked.tolist() if place not in excluded[start + row]]
            found[start + row] = kept[:count]
    return found
