"""The replies in the body of `/generate_stream`: every event is checked for `error`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from triton_rag_client.core.http_errors import http_failure
from triton_rag_client.core.replies import Reply
from triton_rag_client.core.server_sent_events import EventReader
from triton_rag_client.core.tensors import decode_values
from triton_rag_client.core.unnamed_errors import kind_of
from triton_rag_client.core.wire import failure
from triton_rag_client.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triton_rag_client.core.requests import InferenceCall

__all__ = ["EventStreamReader", "RefusalReader"]


class EventStreamReader:
    """Reads events: each has one line of JSON, an output a key, or `error`."""

    def __init__(self, call: InferenceCall) -> None:
        self._call = call
        self._events = EventReader()
        self._is_started = False

    def feed(self, piece: bytes) -> Iterator[Reply]:
        """The replies that this piece completes; those before an error come out before it is raised."""
        for event in self._events.feed(piece):
            yield self._reply(event)

    def end(self) -> None:
        """Nothing is left to say: what is missing is missed by whoever counts the deltas."""

    def _reply(self, event: str) -> Reply:
        try:
            values = json.loads(event)
            said = values.get("error")
        except (ValueError, AttributeError) as error:
            raise failure(ProtocolError, f"an event is not a JSON object: {event[:80]!r}") from error
        if said is not None:
            raise failure(kind_of(str(said), is_started=self._is_started), str(said))
        missing = [tensor.name for tensor in self._call.model.outputs if tensor.name not in values]
        if missing:
            raise failure(ProtocolError, f"an event lacks {', '.join(missing)}")
        self._is_started = True
        return Reply(
            {tensor.name: decode_values(tensor, values[tensor.name]) for tensor in self._call.model.outputs}
        )


class RefusalReader:
    """Reads the body of a refusal, and raises it at the end."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._content = b""

    def feed(self, piece: bytes) -> Iterator[Reply]:
        """Nothing yet."""
        self._content += piece
        return iter(())

    def end(self) -> None:
        """The refusal is complete."""
        raise http_failure(self._status, self._content)
