"""The service under load: where it is, how it is asked, and a first request that says whether it can be."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from triton_rag_client.async_client import AsyncRagClient
from triton_rag_client.core.retry import RetryPolicy
from triton_rag_client.load.requests import StreamAnswer
from triton_rag_client.options import Retriever
from triton_rag_client.results import Delta

__all__ = ["ONE_ATTEMPT", "Asking", "Service", "check_service", "open_service", "service_at"]

ONE_ATTEMPT = RetryPolicy(attempts=1)
"""A request that is sent again would hide that it failed."""


class Asking(Protocol):
    """What a load test needs of a client; those of servers that are not ours have no more."""

    async def ready(self) -> bool:
        """Open the connection, and say whether the server can be asked."""

    def stream(
        self, query: str, /, *, max_tokens: int | None, retriever: Retriever | None
    ) -> AsyncGenerator[Delta]:
        """The deltas of an answer; raises `RagError`."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is asked.

    Attributes:
        url: Its address, as for `RagClient`.
        make_client: Gives a client for it that sends every request once.
        max_tokens: Longest answer that is asked for, in tokens.
        retriever: How passages are found; None means the server's own default.
    """

    url: str
    make_client: Callable[[], AbstractAsyncContextManager[Asking]]
    max_tokens: int
    retriever: Retriever | None = None


def service_at(url: str, max_tokens: int) -> Service:
    """A service that needs no more than its address."""
    return Service(url, partial(AsyncRagClient, url, retry=ONE_ATTEMPT), max_tokens)


@asynccontextmanager
async def open_service(service: Service) -> AsyncGenerator[StreamAnswer]:
    """How to ask it, over a connection that is there already: opening it is not what is measured."""
    async with service.make_client() as client:
        await client.ready()
        yield _asking(service, client)


async def check_service(service: Service, questions: Sequence[str]) -> None:
    """Ask the first question, so that what cannot be measured is said before it is measured.

    Raises:
        RagError: It failed: there is no server, it does not serve this model, or it refuses the request.
    """
    async with service.make_client() as client:
        async for _ in _asking(service, client)(questions[0]):
            pass


def _asking(service: Service, client: Asking) -> StreamAnswer:
    return partial(client.stream, max_tokens=service.max_tokens, retriever=service.retriever)
