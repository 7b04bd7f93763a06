"""`triton-rag embed`: the vectors of queries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from triton_rag_client.commands import arguments as given
from triton_rag_client.errors import RowsRefusedError
from triton_rag_client.terminal import printable, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from triton_rag_client.client import RagClient

__all__ = ["embed"]


def embed(
    queries: Annotated[
        list[str], typer.Argument(metavar="QUERY...", help="Texts; - reads one a line from standard input.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a query.")] = False,
    url: given.Url = given.DEFAULT_URL,
    timeout_s: given.TimeoutS = 30.0,
    headers: given.Headers = None,
    ca_file: given.CaFile = None,
    certificate_file: given.CertificateFile = None,
    key_file: given.KeyFile = None,
) -> None:
    """Turn texts into the encoder's vectors."""
    connection = given.Connection(url, timeout_s, headers, ca_file, certificate_file, key_file)
    texts = given.query_text("-").splitlines() if queries == ["-"] else queries
    with connection.client() as client, waiting("embedding …"):
        vectors, errors = _vectors(client, texts)
    for row, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
        if as_json:
            result = {"error": errors[row]} if vector is None else {"embedding": vector.tolist()}
            typer.echo(json.dumps({"query": text, **result}, ensure_ascii=False))
        elif vector is not None:
            begins = ", ".join(f"{number:.4f}" for number in vector[:6])
            typer.echo(f"{printable(text)}: {vector.size} numbers: {begins} …")
    for row, reason in errors.items():
        typer.echo(f"error: query {row + 1}: {reason}", err=True)
    if errors:
        raise typer.Exit(1)


def _vectors(
    client: RagClient, texts: Sequence[str]
) -> tuple[Sequence[npt.NDArray[np.float32] | None], dict[int, str]]:
    try:
        return list(client.embed(texts)), {}
    except RowsRefusedError as error:
        vectors = [None if isinstance(result, tuple) else result for result in error.results]
        return vectors, error.errors
