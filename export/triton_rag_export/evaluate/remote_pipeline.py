"""The pipeline behind a running server, by gRPC: the ensembles `retrieve` and `rag`."""

from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate.pipeline import Progress, RankedPassages, refuse_query

MAX_BATCH = 64
"""Most questions in a request, where the server takes as many."""
REQUESTS_AT_ONCE = 8
TIMEOUT_S = 300.0
MAX_PASSAGES_K = 20
"""The largest PASSAGES_K that a server takes."""


class RemotePipeline:
    """A served repository.

    Args:
        url: gRPC address of the server, `host:port` or `grpc://host:port`.
        known_ids: ids of all passages in the index of the repository whose questions are asked.

    Raises:
        EvaluationError: the address is not one of gRPC, or no server is ready there.
    """

    depth = MAX_PASSAGES_K

    def __init__(self, url: str, known_ids: Container[str]) -> None:
        from tritonclient.grpc import InferenceServerClient

        if url.startswith(("http://", "https://")):
            raise EvaluationError(
                f"{url} is an HTTP address: give the gRPC one, such as grpc://localhost:8001"
            )
        self._known_ids = known_ids
        self._url = url.removeprefix("grpc://")
        self._client = InferenceServerClient(self._url)
        with self._errors_named():
            if not self._client.is_model_ready("retrieve"):
                raise EvaluationError(
                    f"the server at {self._url} has no model 'retrieve' ready: wait, or serve it"
                )
        self._batch = self._batch_size()

    def rank(self, texts: Sequence[str], retriever: str, progress: Progress) -> list[RankedPassages]:
        """The passages that each text finds, as many as a request may ask for.

        Raises:
            EvaluationError: the server does not answer, refuses a question, or serves another index.
        """
        rankings: list[RankedPassages] = []
        for start in range(0, len(texts), self._batch):
            batch = texts[start : start + self._batch]
            for ids, error, text in zip(*self._retrieve(batch, retriever), batch, strict=True):
                if error:
                    raise refuse_query(text, error)
                rankings.append(RankedPassages(self._checked(name for name in ids if name)))
            progress(len(batch))
        return rankings

    def answer(self, texts: Sequence[str], progress: Progress) -> list[str]:
        """The answer to each text, greedy; several requests at once."""

        def ask(text: str) -> str:
            with self._errors_named():
                inputs = [_strings("QUERY", [[text]])]
                result = self._client.infer("rag", inputs, client_timeout=TIMEOUT_S)
            progress(1)
            return _decoded(result.as_numpy("ANSWER"))[0][0]

        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            return list(pool.map(ask, texts))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _batch_size(self) -> int:
        """What the recipe of the served repository decided; servers may keep it to themselves."""
        from tritonclient.utils import InferenceServerException

        try:
            config = self._client.get_model_config("retrieve").config
        except InferenceServerException:
            return MAX_BATCH
        return max(1, min(MAX_BATCH, int(config.max_batch_size)))

    def _checked(self, passage_ids: Iterable[str]) -> tuple[str, ...]:
        ids = tuple(passage_ids)
        for name in ids:
            if name not in self._known_ids:
                raise EvaluationError(
                    f"the server at {self._url} found the passage {name!r}, which this repository's index "
                    "does not have: evaluate the repository that is served there, or serve this one"
                )
        return ids

    def _retrieve(self, texts: Sequence[str], retriever: str) -> tuple[list[list[str]], list[str]]:
        rows = len(texts)
        inputs = [
            _strings("QUERY", [[text] for text in texts]),
            _strings("RETRIEVER", [[retriever]] * rows),
            _numbers("PASSAGES_K", np.full((rows, 1), MAX_PASSAGES_K, dtype=np.int32)),
        ]
        with self._errors_named():
            result = self._client.infer("retrieve", inputs, client_timeout=TIMEOUT_S)
        errors = [row[0] for row in _decoded(result.as_numpy("ERROR"))]
        return _decoded(result.as_numpy("PASSAGE_ID")), errors

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        from tritonclient.utils import InferenceServerException

        try:
            yield
        except InferenceServerException as error:
            raise EvaluationError(
                f"the server at {self._url} did not answer ({error.message()}): check that it serves this "
                "repository, `triton-rag serve DIR`, and is ready"
            ) from error


def _strings(name: str, values: Sequence[Sequence[str]]) -> Any:
    from tritonclient.grpc import InferInput

    array = np.array([[text.encode("utf-8", "replace") for text in row] for row in values], dtype=np.object_)
    tensor = InferInput(name, list(array.shape), "BYTES")
    return tensor.set_data_from_numpy(array)


def _numbers(name: str, values: npt.NDArray[np.int32]) -> Any:
    from tritonclient.grpc import InferInput

    return InferInput(name, list(values.shape), "INT32").set_data_from_numpy(values)


def _decoded(array: npt.NDArray[np.object_]) -> list[list[str]]:
    return [[value.decode("utf-8") for value in row] for row in array]
