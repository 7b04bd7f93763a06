"""A file's text by its headings: the reader of a passage wants to know which part of a file it is from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from triton_rag_export.corpus.document import Document

UNNAMED = "section"
"""Stands in an id where a heading has no letters, and before one that is a number: `#2` is a piece's id."""


@dataclass(frozen=True, slots=True)
class Section:
    """The text below one heading.

    Attributes:
        heading: "" for what stands before the first heading.
        text: up to the next heading of any level.
        level: of the heading, 1 to 6; 0 without one.
    """

    heading: str
    text: str
    level: int = 0


def outline_title(sections: Sequence[Section]) -> str:
    """The heading that names the whole file: the only one of the highest level there is; else ""."""
    levels = [section.level for section in sections if section.heading]
    top = [section.heading for section in sections if section.heading and section.level == min(levels)]
    return top[0] if len(top) == 1 else ""


def section_documents(sections: Iterable[Section], title: str, path: str) -> Iterator[Document]:
    """One document a section that has text.

    Args:
        sections: in the order of the file.
        title: the file's own title, "" where it has none.
        path: the file's path below its corpus folder; id and source of the documents begin with it.

    Yields:
        The first has the bare path as its id, the others `PATH#HEADING`, numbered where that repeats. The
        title is the file's own and the headings above the text; the file's name where there is neither.
    """
    used: set[str] = set()
    above: list[Section] = []
    for section in sections:
        while above and above[-1].level >= section.level:
            above.pop()
        above.append(section)
        if not section.text.strip():
            continue
        trail = [title, *(part.heading for part in above if part.heading != title)]
        whole_title = " › ".join(part for part in trail if part) or PurePosixPath(path).stem
        yield Document(_free_id(path, section.heading, used), whole_title, section.text.strip("\n"), path)


def _free_id(path: str, heading: str, used: set[str]) -> str:
    wanted = f"{path}#{_slug(heading)}" if used else path
    found, number = wanted, 2
    while found in used:
        found = f"{wanted}-{number}"
        number += 1
    used.add(found)
    return found


def _slug(heading: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in heading.casefold()).split()
    return "-".join([UNNAMED, *words] if not words or "".join(words).isdigit() else words)
