"""The client's methods as steps: what `RagClient` and `AsyncRagClient` do, once for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from triton_rag_client.contract import EMBED, RETRIEVE
from triton_rag_client.core import replies
from triton_rag_client.core.exchange import send, stream
from triton_rag_client.core.requests import ask_call, embed_calls, retrieve_calls, stream_call
from triton_rag_client.core.retry import Deadline, RetryPolicy
from triton_rag_client.errors import (
    AccessDeniedError,
    InvalidRequestError,
    ModelNotFoundError,
    ProtocolError,
    RowsRefusedError,
    ServerError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from triton_rag_client.contract import ModelContract
    from triton_rag_client.core.exchange import Steps
    from triton_rag_client.core.replies import Reply
    from triton_rag_client.core.requests import InferenceCall
    from triton_rag_client.core.wire import Wire
    from triton_rag_client.errors import RowResult
    from triton_rag_client.results import Answer, ServerMetadata

__all__ = ["Session"]

Result = TypeVar("Result")


class Session:
    """What stays the same from request to request.

    Attributes:
        wire: gRPC or HTTP.
        policy: When to send again.
        timeout_s: For a request that brings no own timeout.
    """

    def __init__(self, wire: Wire, policy: RetryPolicy, timeout_s: float) -> None:
        self.wire = wire
        self.policy = policy
        self.timeout_s = Deadline(timeout_s).timeout_s
        self._known_max_rows: dict[str, int] = {}

    def ask(self, query: str, options: Mapping[str, object], timeout_s: float | None) -> Steps[Answer]:
        """The steps of `ask`."""
        call = ask_call(query, options)
        return self._one(call, replies.answer, self._deadline(timeout_s))

    def stream(self, query: str, options: Mapping[str, object], timeout_s: float | None) -> Steps[None]:
        """The steps of `stream`; the time runs from here."""
        return stream(self.wire, stream_call(query, options), self._deadline(timeout_s), self.policy)

    def retrieve(
        self, queries: str | Sequence[str], options: Mapping[str, object], timeout_s: float | None
    ) -> Steps[Any]:
        """The steps of `retrieve`: passages for one query, or a tuple of them for several."""
        deadline, texts = self._deadline(timeout_s), _rows(queries)
        calls = retrieve_calls(texts, options, (yield from self._max_rows(RETRIEVE, len(texts), deadline)))
        rows = yield from self._many(calls, replies.passage_rows, deadline)
        return rows[0] if isinstance(queries, str) else rows

    def embed(self, queries: str | Sequence[str], timeout_s: float | None) -> Steps[Any]:
        """The steps of `embed`: one vector, or one a row."""
        deadline, texts = self._deadline(timeout_s), _rows(queries)
        calls = embed_calls(texts, (yield from self._max_rows(EMBED, len(texts), deadline)))
        rows = yield from self._many(calls, replies.vectors, deadline)
        return rows[0] if isinstance(queries, str) else _matrix(rows)

    def ready(self, timeout_s: float | None) -> Steps[bool]:
        """The steps of `ready`: one attempt, since not being there is an answer."""
        once = RetryPolicy(attempts=1)
        deadline = self._deadline(timeout_s)
        try:
            return (yield from send(lambda _: self.wire.ready_request(), self.wire.is_ready, deadline, once))
        except UnavailableError:
            return False

    def metadata(self, timeout_s: float | None) -> Steps[ServerMetadata]:
        """The steps of `metadata`."""
        read = self.wire.server_metadata
        return send(lambda _: self.wire.metadata_request(), read, self._deadline(timeout_s), self.policy)

    def _deadline(self, timeout_s: float | None) -> Deadline:
        return Deadline(self.timeout_s if timeout_s is None else timeout_s)

    def _max_rows(self, model: ModelContract, rows: int, deadline: Deadline) -> Steps[int]:
        """The most rows of a request: what the server says, asked once a model and only for lists.

        A recipe decides about it. Where the question is not allowed, as behind a proxy, it is the contract's.
        """
        if rows <= 1 or model.name in self._known_max_rows:
            return self._known_max_rows.get(model.name, 1)
        wire = self.wire
        try:
            found = yield from send(
                lambda _: wire.config_request(model.name), wire.max_rows, deadline, self.policy
            )
        except (AccessDeniedError, InvalidRequestError, ModelNotFoundError, ProtocolError, ServerError):
            found = model.max_rows
        self._known_max_rows[model.name] = max(found, 1)
        return self._known_max_rows[model.name]

    def _one(
        self, call: InferenceCall, result: Callable[[Reply], Result], deadline: Deadline
    ) -> Steps[Result]:
        def request(left_s: float) -> Any:
            return self.wire.infer_request(call, left_s)

        return send(request, lambda reply: result(self.wire.infer_reply(call, reply)), deadline, self.policy)

    def _many(
        self,
        calls: Sequence[InferenceCall],
        results: Callable[[Reply], Sequence[RowResult]],
        deadline: Deadline,
    ) -> Steps[tuple[RowResult, ...]]:
        """All rows of all calls; a refused row doesn't lose the others."""
        rows: list[RowResult | None] = []
        errors: dict[int, str] = {}
        refusal: InvalidRequestError | None = None
        for call in calls:
            start = len(rows)
            try:
                found, refused = yield from self._one(
                    call, lambda reply: _with_errors(reply, results), deadline
                )
                rows += [None if row in refused else result for row, result in enumerate(found)]
            except InvalidRequestError as error:  # all rows of this call
                refused, refusal = dict.fromkeys(range(call.rows), str(error)), error
                rows += [None] * call.rows
                self._known_max_rows.pop(call.model.name, None)  # the server may serve another repository now
            errors |= {start + row: reason for row, reason in refused.items()}
        if rows and len(errors) == len(rows):
            raise refusal or InvalidRequestError(errors[0])
        if errors:
            raise RowsRefusedError(errors, tuple(rows))
        return tuple(row for row in rows if row is not None)


def _rows(queries: str | Sequence[str]) -> Sequence[str]:
    if isinstance(queries, str):
        return [queries]
    if isinstance(queries, bytes) or not hasattr(queries, "__iter__"):
        raise InvalidRequestError(
            f"QUERY is {type(queries).__name__}: it must be a string or a list of strings"
        )
    return list(queries)


def _with_errors(
    reply: Reply, results: Callable[[Reply], Sequence[RowResult]]
) -> tuple[Sequence[RowResult], dict[int, str]]:
    return results(reply), replies.row_errors(reply)


def _matrix(rows: Sequence[Any]) -> npt.NDArray[np.float32]:
    return np.stack(rows) if rows else np.empty((0, 0), dtype=np.float32)
