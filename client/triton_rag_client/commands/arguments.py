"""Options that several commands share, and the client that the connection's options describe."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from triton_rag_client.errors import ClientSetupError, InvalidRequestError
from triton_rag_client.options import Retriever

if TYPE_CHECKING:
    from collections.abc import Sequence

    from triton_rag_client.address import TlsFiles
    from triton_rag_client.async_client import AsyncRagClient
    from triton_rag_client.client import RagClient
    from triton_rag_client.core.retry import RetryPolicy

__all__ = [
    "AsJson",
    "Beams",
    "CaFile",
    "CertificateFile",
    "Connection",
    "Headers",
    "KeyFile",
    "LengthPenalty",
    "Logprobs",
    "MaxTokens",
    "MinTokens",
    "PassagesK",
    "Query",
    "RepetitionPenalty",
    "RetrieverName",
    "Seed",
    "Stop",
    "StopTokens",
    "Temperature",
    "TimeoutS",
    "TopK",
    "TopP",
    "Url",
    "query_text",
]

DEFAULT_URL = "grpc://127.0.0.1:8001"

Query: TypeAlias = Annotated[
    str, typer.Argument(metavar="QUERY", help="The question; - reads it from standard input.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]

RetrieverName: TypeAlias = Annotated[
    Retriever | None, typer.Option(help="How passages are found.  [default: the repository's]")
]
PassagesK: TypeAlias = Annotated[
    int | None, typer.Option(help="How many passages, 1 to 20.  [default: the repository's]")
]
MaxTokens: TypeAlias = Annotated[
    int | None, typer.Option(help="Most tokens of the answer.  [default: the repository's]")
]
MinTokens: TypeAlias = Annotated[
    int | None, typer.Option(help="Fewest tokens of the answer, 0 to --max-tokens.  [default: 0]")
]
Temperature: TypeAlias = Annotated[
    float | None, typer.Option(help="0 (greedy, the same answer each time) to 2.  [default: 0]")
]
TopK: TypeAlias = Annotated[
    int | None, typer.Option(help="Sample among the k likeliest tokens, 0 (off) to 1000.  [default: 0]")
]
TopP: TypeAlias = Annotated[
    float | None,
    typer.Option(help="Sample among the likeliest tokens of this probability, up to 1 (off).  [default: 1]"),
]
Seed: TypeAlias = Annotated[int | None, typer.Option(help="Of the sampling, 0 to 2^63 - 1.")]
RepetitionPenalty: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Above 1, tokens that stand there already become less probable; 0.1 to 10.  [default: 1]"
    ),
]
Stop: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="A string that ends the answer; may be given up to 8 times.")
]
StopTokens: TypeAlias = Annotated[
    list[int] | None, typer.Option(help="Id of a token that ends the answer; may be given up to 16 times.")
]
Logprobs: TypeAlias = Annotated[
    bool, typer.Option("--logprobs", help="Log-probabilities of the answer's tokens; --json prints each.")
]
Beams: TypeAlias = Annotated[
    int | None,
    typer.Option(help="Search that many answers side by side, 1 (off) to 8; T5 and BART.  [default: 1]"),
]
LengthPenalty: TypeAlias = Annotated[
    float | None,
    typer.Option(help="Of --beams: above 0 favours long answers, below 0 short ones.  [default: 1]"),
]

Url: TypeAlias = Annotated[
    str, typer.Option(envvar="TRITON_RAG_URL", help="grpc://HOST:PORT, grpcs://, http:// or https://.")
]
TimeoutS: TypeAlias = Annotated[float, typer.Option(help="Seconds until the complete reply.")]
Headers: TypeAlias = Annotated[
    list[str] | None, typer.Option("--header", help="'Name: value', sent with the request; may be repeated.")
]
CaFile: TypeAlias = Annotated[
    Path | None, typer.Option(help="Certificates (PEM) that sign the server's.  [default: the system's]")
]
CertificateFile: TypeAlias = Annotated[
    Path | None, typer.Option(help="The client's certificate (PEM), where the server asks for one.")
]
KeyFile: TypeAlias = Annotated[Path | None, typer.Option(help="Its private key (PEM).")]


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the server, as given on the command line."""

    url: str
    timeout_s: float
    headers: Sequence[str] | None
    ca_file: Path | None
    certificate_file: Path | None
    key_file: Path | None

    def client(self) -> RagClient:
        """A client for it."""
        from triton_rag_client.client import RagClient

        return RagClient(self.url, timeout_s=self.timeout_s, headers=self._headers(), tls=self._tls())

    def async_client(self, retry: RetryPolicy) -> AsyncRagClient:
        """A client for it, on asyncio."""
        from triton_rag_client.async_client import AsyncRagClient

        return AsyncRagClient(
            self.url, timeout_s=self.timeout_s, headers=self._headers(), tls=self._tls(), retry=retry
        )

    def _headers(self) -> dict[str, str]:
        return dict(_header(text) for text in self.headers or ())

    def _tls(self) -> TlsFiles:
        from triton_rag_client.address import TlsFiles

        return TlsFiles(self.ca_file, self.certificate_file, self.key_file)


def query_text(query: str) -> str:
    """The question itself, where - stands for standard input."""
    try:
        return sys.stdin.read().strip() if query == "-" else query
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"standard input is not UTF-8 ({error}); convert it first") from error


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ClientSetupError(f"--header {text!r} is not a header: write 'Name: value'")
    return name.strip(), value.strip()
