"""Markdown to sections. Headings are all that matters here, so the text keeps its marks: they read well."""

import re
from collections.abc import Iterator

from triton_rag_export.corpus.sections import Section, outline_title

_HEADING = re.compile(r"^ {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r"^ {0,3}(=+|-{2,})\s*$")
_FRONT_MATTER_TITLE = re.compile(r"^title:\s*(.+?)\s*$", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?\n)(?:---|\.\.\.)\s*(?:\n|\Z)", re.DOTALL)


def markdown_sections(text: str) -> tuple[str, list[Section]]:
    """A Markdown text's title and sections.

    Args:
        text: Markdown, with or without front matter between `---` lines.

    Returns:
        The title (`title:` of the front matter, else the only heading of the highest level, else "") and the
        sections.
    """
    title = ""
    if front_matter := _FRONT_MATTER.match(text):
        if named := _FRONT_MATTER_TITLE.search(front_matter[1]):
            title = named[1].strip("\"'")
        text = text[front_matter.end() :]
    sections = list(_sections(text))
    return title or outline_title(sections), sections


def _sections(text: str) -> Iterator[Section]:
    heading, level, lines = "", 0, list[str]()
    fence = ""  # the marks that end the code block we are in
    for line in text.splitlines():
        if fence:
            fence = "" if line.strip().startswith(fence) else fence
        elif opened := _FENCE.match(line):
            fence = opened[1]
        elif found := _HEADING.match(line):
            yield Section(heading, "\n".join(lines), level)
            heading, level, lines = found[2] or "", len(found[1]), []
            continue
        elif (mark := _UNDERLINE.match(line)) and _can_be_underlined(lines):
            underlined = lines.pop().strip()
            yield Section(heading, "\n".join(lines), level)
            heading, level, lines = underlined, 1 if mark[1].startswith("=") else 2, []
            continue
        lines.append(line)
    yield Section(heading, "\n".join(lines), level)


def _can_be_underlined(lines: list[str]) -> bool:
    """Whether the last line is a paragraph of one line: text, not a list, quotation, table or code."""
    if not lines or not lines[-1].strip() or re.match(r"\s*([-*+>|]|\d+[.)]|\s{4})", lines[-1]):
        return False
    return len(lines) == 1 or not lines[-2].strip()
