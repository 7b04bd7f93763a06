"""Ask a triton-rag server: typed, over gRPC or HTTP, blocking or async, whole or as a stream.

with RagClient("grpc://127.0.0.1:8001") as client:
    print(client.ask("What does zip() do?").text)
"""

from triton_rag_client.address import TlsFiles
from triton_rag_client.async_client import AsyncRagClient
from triton_rag_client.client import RagClient
from triton_rag_client.core.retry import RetryPolicy
from triton_rag_client.errors import (
    AccessDeniedError,
    ClientSetupError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidRequestError,
    LimitExceededError,
    ModelNotFoundError,
    PerfAnalyzerError,
    ProtocolError,
    RagError,
    RateNotSentError,
    RequestCancelledError,
    RowsRefusedError,
    ServerError,
    SloUnreachableError,
    UnavailableError,
)
from triton_rag_client.options import AskOptions, RetrieveOptions, Retriever
from triton_rag_client.results import Answer, Delta, Passage, ServerMetadata, TokenLogprob

__all__ = [
    "AccessDeniedError",
    "Answer",
    "AskOptions",
    "AsyncRagClient",
    "ClientSetupError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "Delta",
    "InvalidRequestError",
    "LimitExceededError",
    "ModelNotFoundError",
    "Passage",
    "PerfAnalyzerError",
    "ProtocolError",
    "RagClient",
    "RagError",
    "RateNotSentError",
    "RequestCancelledError",
    "RetrieveOptions",
    "Retriever",
    "RetryPolicy",
    "RowsRefusedError",
    "ServerError",
    "ServerMetadata",
    "SloUnreachableError",
    "TlsFiles",
    "TokenLogprob",
    "UnavailableError",
]
