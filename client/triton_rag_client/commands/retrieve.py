"""`triton-rag retrieve`: the passages for a query, without an answer."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from triton_rag_client.commands import arguments as given
from triton_rag_client.terminal import printable, waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from triton_rag_client.results import Passage

__all__ = ["retrieve"]


def retrieve(
    query: given.Query,
    retriever: given.RetrieverName = None,
    passages_k: given.PassagesK = None,
    show_text: Annotated[
        bool, typer.Option("--text", help="Show whole passages, not their first line.")
    ] = False,
    as_json: given.AsJson = False,
    url: given.Url = given.DEFAULT_URL,
    timeout_s: given.TimeoutS = 30.0,
    headers: given.Headers = None,
    ca_file: given.CaFile = None,
    certificate_file: given.CertificateFile = None,
    key_file: given.KeyFile = None,
) -> None:
    """Find the passages for a query, best first."""
    connection = given.Connection(url, timeout_s, headers, ca_file, certificate_file, key_file)
    with connection.client() as client, waiting("searching …"):
        passages = client.retrieve(given.query_text(query), retriever=retriever, passages_k=passages_k)
    if as_json:
        found = [dataclasses.asdict(passage) for passage in passages]
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif show_text:
        _show_whole(passages)
    else:
        _show_table(passages)


def _show_table(passages: Iterable[Passage]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "score", "title", "source", "passage", box=box.SIMPLE)
    for number, passage in enumerate(passages, start=1):
        begins = textwrap.shorten(printable(passage.text), 120, placeholder=" …")
        cells = (
            str(number),
            f"{passage.score:.3f}",
            printable(passage.title),
            printable(passage.source),
            begins,
        )
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)


def _show_whole(passages: Iterable[Passage]) -> None:
    for number, passage in enumerate(passages, start=1):
        facts = f"score {passage.score:.3f}, id {passage.id}, source {passage.source}"
        typer.echo(f"[{number}] {printable(passage.title)}  ({printable(facts)})")
        typer.echo(textwrap.indent(printable(passage.text), "    ") + "\n")
