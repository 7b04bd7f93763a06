"""`triton-rag`: one command line for building, serving and asking."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from triton_rag_client.command_registry import CommandGroup, missing_package

__all__ = ["app", "main"]

app = typer.Typer(
    name="triton-rag",
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"triton-rag {version('triton-rag')}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave."),
    ] = False,
) -> None:
    """Retrieval-augmented generation on Triton Inference Server: build, serve, ask."""


def main() -> None:
    """Run the command line; an error that we raise on purpose is one line and exit code 1."""
    try:
        app()
    except ModuleNotFoundError as error:
        _leave(missing_package(_command(), error))
    except Exception as error:
        if not _is_ours(error):
            raise
        _leave(error)


def _is_ours(error: Exception) -> bool:
    """The error trees of all our packages, without importing them."""
    return type(error).__module__.partition(".")[0].startswith("triton_rag_")


def _leave(error: Exception) -> None:
    typer.echo(f"error: {error}", err=True)
    sys.exit(1)


def _command() -> str:
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "triton-rag")
