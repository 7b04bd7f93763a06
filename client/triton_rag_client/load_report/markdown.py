"""The report in Markdown, as GitHub shows it, with the plots in files beside it."""

import html
import re
from collections.abc import Sequence

from triton_rag_client.load.tables import markdown_table
from triton_rag_client.load_report.blocks import Block, Code, Plot, Quote, Section, Table

__all__ = ["markdown_page"]

_MARKS = re.compile(r"([\\`*_\[\]|#!~])")


def markdown_page(title: str, sections: Sequence[Section]) -> str:
    """The page; text of others can neither end a table's cell nor be taken for HTML, a link or a heading."""
    blocks = [f"# {_plain(title)}"]
    for section in sections:
        blocks += [f"## {_plain(section.title)}", *map(_block, section.blocks)]
    return "\n\n".join(blocks) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Code):
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", block.text)), default=0))
        return f"{fence}\n{block.text}\n{fence}"
    if isinstance(block, Quote):
        return "\n".join(f"> {_plain(line)}".rstrip() for line in block.text.splitlines()) or ">"
    if isinstance(block, Table):
        rows = tuple(tuple(map(_plain, row)) for row in block.rows)
        return f"{_plain(block.caption)}:\n\n{markdown_table(rows)}"
    if isinstance(block, Plot):
        alternative = _plain(block.alternative)
        return f"![{_plain(block.title)}]({block.name}.svg)\n\n{_plain(block.title)}: {alternative}"
    return _plain(block.text)


def _plain(text: str) -> str:
    """The text on one line, with the marks of Markdown and of HTML written as themselves."""
    return _MARKS.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))
