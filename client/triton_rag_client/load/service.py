"""The service under load: where it is, how it is asked, and a first request that says whether it can be."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from triton_rag_client.async_client import AsyncRagClient
from triton_rag_client.core.retry import RetryPolicy
from triton_rag_client.load.requests import StreamAnswer

__all__ = ["ONE_ATTEMPT", "Service", "check_service", "open_service", "service_at"]

ONE_ATTEMPT = RetryPolicy(attempts=1)
"""A request that is sent again would hide that it failed."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is asked.

    Attributes:
        url: Its address, as for `RagClient`.
        make_client: Gives a client for it that sends every request once.
        max_tokens: Longest answer that is asked for, in tokens.
    """

    url: str
    make_client: Callable[[], AsyncRagClient]
    max_tokens: int


def service_at(url: str, max_tokens: int) -> Service:
    """A service that needs no more than its address."""
    return Service(url, partial(AsyncRagClient, url, retry=ONE_ATTEMPT), max_tokens)


@asynccontextmanager
async def open_service(service: Service) -> AsyncGenerator[StreamAnswer]:
    """How to ask it, over a connection that is there already: opening it is not what is measured."""
    async with service.make_client() as client:
        await client.ready()
        yield partial(client.stream, max_tokens=service.max_tokens)


async def check_service(service: Service, questions: Sequence[str]) -> None:
    """Ask the first question, so that what cannot be measured is said before it is measured.

    Raises:
        RagError: It failed: there is no server, it does not serve this model, or it refuses the request.
    """
    async with service.make_client() as client:
        async for _ in client.stream(questions[0], max_tokens=service.max_tokens):
            pass
