"""A client of plain HTTP servers, such as one writes in an afternoon: a question in JSON, an answer in JSON.

POST /ask takes `{"question": …, "max_tokens": …}` and answers, when the whole answer is there,
`{"answer": …, "passages": [{"id": …, "title": …, "source": …, "text": …, "score": …}], "prompt_tokens": …,
"answer_tokens": …, "finish_reason": …}`; GET /ready answers 200 when it can be asked. The answer comes in one
piece, so that the time to the first token is that of the whole answer.
"""

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self

import httpx2

from triton_rag_client.errors import ProtocolError, ServerError
from triton_rag_client.options import Retriever
from triton_rag_client.results import Delta, Passage
from triton_rag_client.transport.http_client import HTTP_LIBRARY_ERRORS, LIMITS, http_library_failure

__all__ = ["JsonClient"]

_SHOWN_CHARACTERS = 200


class JsonClient:
    """Asks such a server; an async context manager that can be asked as `AsyncRagClient.stream` can.

    Args:
        url: Its address, such as `http://127.0.0.1:8000`.
        timeout_s: Seconds until the whole answer.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._client = httpx2.AsyncClient(
            base_url=url,
            timeout=timeout_s,
            limits=LIMITS,
            trust_env=False,
            headers={"user-agent": "triton-rag"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ready(self) -> bool:
        """Whether it can answer.

        Raises:
            RagError: It is not there.
        """
        try:
            return (await self._client.get("/ready")).status_code == httpx2.codes.OK
        except HTTP_LIBRARY_ERRORS as error:
            raise http_library_failure(error) from error

    async def stream(
        self, query: str, /, *, max_tokens: int | None = None, retriever: Retriever | None = None
    ) -> AsyncGenerator[Delta]:
        """The answer, as one delta.

        Args:
            query: The question.
            max_tokens: Most tokens of the answer.
            retriever: Not sent: such a server has one way to find passages.

        Raises:
            RagError: There is none.
        """
        try:
            response = await self._client.post("/ask", json={"question": query, "max_tokens": max_tokens})
        except HTTP_LIBRARY_ERRORS as error:
            raise http_library_failure(error) from error
        if response.status_code != httpx2.codes.OK:
            raise ServerError(
                f"it answered with status {response.status_code} "
                f"({response.text[:_SHOWN_CHARACTERS]}): see its log"
            )
        yield _delta(response)


def _delta(response: httpx2.Response) -> Delta:
    try:
        found: dict[str, Any] = response.json()
        passages = tuple(Passage(**passage) for passage in found["passages"])
        return Delta(
            text=found["answer"],
            passages=passages,
            passages_used=len(passages),
            finish_reason=found["finish_reason"],
            prompt_tokens=int(found["prompt_tokens"]),
            answer_tokens=int(found["answer_tokens"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError(
            f"its answer lacks what it should have ({type(error).__name__}: {error}): "
            f"{response.text[:_SHOWN_CHARACTERS]}"
        ) from error
