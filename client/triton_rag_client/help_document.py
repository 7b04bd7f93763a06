"""The help of every command as one page: `python -m triton_rag_client.help_document > docs/cli.md`."""

from __future__ import annotations

from typing import Any, Final

import typer

from triton_rag_client.command_registry import find_commands
from triton_rag_client.main import app

__all__ = ["help_document"]

_BEGINNING: Final = """# The command line

Made from the program by `python -m triton_rag_client.help_document > docs/cli.md`; a test compares.
"""
_WIDTH: Final = 100


def help_document() -> str:
    """The page, in Markdown."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("triton-rag", [], resilient_parsing=True, terminal_width=_WIDTH)
    sections = [_section("triton-rag", group)]
    sections += [_section(f"triton-rag {name}", group.get_command(context, name)) for name in find_commands()]
    return "\n".join([_BEGINNING, *sections])


def _section(name: str, command: Any) -> str:
    context = command.make_context(name, [], resilient_parsing=True, terminal_width=_WIDTH)
    return f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    typer.echo(help_document(), nl=False)
