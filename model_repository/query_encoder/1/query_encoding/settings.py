"""What `encoder.json` says of the graph beside it: how to feed it, and the fingerprint it is known by."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from query_encoding.errors import EncoderFilesError

ENCODER_FILE = "encoder.json"
GRAPH_FILE = "encoder.onnx"
SERVING_FILE = "serving.json"
KERNELS_FILE = "libtriton_rag_kernels.so"
"""The library of operators beside the graph; `export` compiles it."""

Layout = Literal["packed", "single"]
Fingerprint = dict[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How the graph wants its input, and what it was made from.

    Attributes:
        layout: "packed": rows of many texts under one another; "single": one text a call.
        pad_id: the token that fills up.
        vocabulary_size: token ids are below it.
        max_tokens: longest text in tokens, special tokens included.
        dim: length of a vector.
        fingerprint: hashes of weights and graph, pooling, normalization, prefixes, maximum length, precision:
            two encoders with equal fingerprints give equal vectors.
    """

    layout: Layout
    pad_id: int
    vocabulary_size: int
    max_tokens: int
    dim: int
    fingerprint: Fingerprint

    @classmethod
    def read(cls, folder: Path) -> "EncoderSettings":
        """Read `encoder.json`.

        Raises:
            EncoderFilesError: it is missing, or has other keys than ours.
        """
        path = folder / ENCODER_FILE
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise EncoderFilesError(f"{path} cannot be used ({error}): build the repository again") from error

    def write(self, folder: Path) -> None:
        """Write `encoder.json`."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / ENCODER_FILE).write_text(text + "\n", encoding="utf-8")


def serving_threads(folder: Path) -> int:
    """The threads that `serving.json` allows; 0, all cores, where there is no such file.

    Raises:
        EncoderFilesError: the file cannot be read, or says something else than a whole number of threads.
    """
    path = folder / SERVING_FILE
    if not path.exists():
        return 0
    try:
        threads = json.loads(path.read_text(encoding="utf-8"))["threads"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EncoderFilesError(f"{path} cannot be used ({error!r}): build the repository again") from error
    if type(threads) is not int or threads < 0:
        raise EncoderFilesError(f"{path}: threads is {threads!r}; allowed: a whole number from 0 (all cores)")
    return threads
