"""The retriever's encoder on ONNX Runtime: token ids in, one vector a text out.

A batch is cut into calls of a few hundred tokens, texts sorted by length, and packed without padding
(`packing`). The graph is built so that a text's vector has the same bits whatever texts share its call: this
is what lets an index be built in large batches and searched with single queries.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from query_encoding.errors import TokenIdsError
from query_encoding.packing import TokenIds, even_tokens_a_call, pack, plan_calls
from query_encoding.sessions import Feeds, GraphSessions
from query_encoding.settings import GRAPH_FILE, EncoderSettings, Fingerprint

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PaddedRows:
    """Token ids of one request, as the tokenizer makes them.

    Attributes:
        input_ids: `(rows, bucket)`; what is behind a row's length is not read.
        lengths: `(rows,)`; 0 marks a row that the tokenizer refused.
    """

    input_ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]


class QueryEncoder:
    """Encodes texts with one graph.

    Args:
        sessions: the graph, loaded.
        settings: what was written beside it.
    """

    def __init__(self, sessions: GraphSessions, settings: EncoderSettings) -> None:
        self.settings = settings
        self._sessions = sessions
        self._input_names = sessions.input_names

    @classmethod
    def load(cls, folder: Path, threads: int = 0) -> "QueryEncoder":
        """Load `encoder.onnx` and `encoder.json`.

        Args:
            folder: where the two files are.
            threads: how many threads to use; 0 takes all cores.

        Raises:
            EncoderFilesError: a file is missing or cannot be used.
        """
        settings = EncoderSettings.read(folder)
        return cls(GraphSessions(folder / GRAPH_FILE, threads), settings)

    @property
    def fingerprint(self) -> Fingerprint:
        """What an index must have been built with to be searched with these vectors."""
        return dict(self.settings.fingerprint)

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self.settings.dim

    def encode(self, input_ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32]) -> Vectors:
        """Encode padded rows, as the tokenizer makes them.

        Args:
            input_ids: `(rows, bucket)`; what is behind a row's length is not read.
            lengths: `(rows,)`; 0 marks a row that the tokenizer refused.

        Returns:
            `(rows, dim)`; NaN in rows of length 0.

        Raises:
            TokenIdsError: shapes do not fit, or a length or an id is out of range; names field, value and
                range.
        """
        (vectors,) = self.encode_requests([PaddedRows(input_ids, lengths)])
        if isinstance(vectors, TokenIdsError):
            raise vectors
        return vectors

    def encode_requests(self, requests: Sequence[PaddedRows]) -> list[Vectors | TokenIdsError]:
        """Encode the rows of several requests together; one that is refused leaves the others unhurt.

        Args:
            requests: as `encode` takes them, one by one.

        Returns:
            For each request what `encode` returns, or the error that it raises.
        """
        results: list[Vectors | TokenIdsError] = []
        texts: list[TokenIds] = []
        for rows in requests:
            try:
                self._check(rows)
            except TokenIdsError as error:
                results.append(error)
                continue
            results.append(np.full((len(rows.lengths), self.dim), np.nan, dtype=np.float32))
            texts += [rows.input_ids[row, : rows.lengths[row]] for row in np.flatnonzero(rows.lengths)]
        vectors = iter(self.encode_ragged(texts))
        for rows, result in zip(requests, results, strict=True):
            if not isinstance(result, TokenIdsError):
                for row in np.flatnonzero(rows.lengths):
                    result[row] = next(vectors)
        return results

    def encode_ragged(
        self, token_ids: Sequence[TokenIds], progress: Callable[[int], None] | None = None
    ) -> Vectors:
        """Encode texts of any lengths, sorted and grouped for speed; the order of the result is the caller's.

        Args:
            token_ids: each `(tokens,)`, one token or more.
            progress: called with the number of texts finished since the last call of it.

        Returns:
            `(texts, dim)`.
        """
        lengths = np.array([len(text) for text in token_ids], dtype=np.int64)
        if len(lengths) and lengths.min() == 0:
            raise TokenIdsError(
                f"text {int(lengths.argmin())} has no tokens: give 1 to {self.settings.max_tokens}"
            )
        vectors = np.empty((len(token_ids), self.dim), dtype=np.float32)
        calls = self._plan(lengths)
        for call, found in self._sessions.run(calls, lambda call: self._feeds([token_ids[i] for i in call])):
            vectors[call] = found
            if progress is not None:
                progress(len(call))
        return vectors

    def _check(self, rows: PaddedRows) -> None:
        input_ids, lengths = rows.input_ids, rows.lengths
        if input_ids.ndim != 2 or lengths.shape != (len(input_ids),):
            shapes = f"INPUT_IDS {input_ids.shape} and LENGTH {lengths.shape}"
            raise TokenIdsError(f"{shapes} do not fit: give (rows, tokens) and (rows,)")
        most = min(input_ids.shape[1], self.settings.max_tokens)
        _check_range("LENGTH", lengths, most)
        is_token = np.arange(input_ids.shape[1]) < lengths[:, None]
        _check_range("INPUT_IDS", input_ids[is_token], self.settings.vocabulary_size - 1)

    def _plan(self, lengths: npt.NDArray[np.int64]) -> list[TokenIds]:
        if self.settings.layout == "single":
            return list(plan_calls(lengths, 1))
        return list(plan_calls(lengths, even_tokens_a_call(int(lengths.sum()), self._sessions.threads)))

    def _feeds(self, texts: Sequence[TokenIds]) -> Feeds:
        if self.settings.layout == "single":
            return {name: np.stack(texts) for name in self._input_names}
        return dict(pack(texts))


def _check_range(field: str, values: npt.NDArray[np.int32], most: int) -> None:
    wrong = values[(values < 0) | (values > most)]
    if len(wrong):
        raise TokenIdsError(f"{field} holds {int(wrong[0])}: allowed are 0 to {most}")
