"""A file's text by its headings: the reader of a passage wants to know which part of a file it is from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from triton_rag_export.corpus.document import Document


@dataclass(frozen=True, slots=True)
class Section:
    """The text below one heading.

    Attributes:
        heading: "" for what stands before the first heading.
        text: up to the next heading of any level.
    """

    heading: str
    text: str


def section_documents(sections: Iterable[Section], title: str, path: str) -> Iterator[Document]:
    """One document a section that has text.

    Args:
        sections: in the order of the file.
        title: the file's own title.
        path: the file's path below its corpus folder; id and source of the documents begin with it.

    Yields:
        The first has the bare path as its id, the others `PATH#HEADING`, numbered where that repeats.
    """
    used: set[str] = set()
    for section in sections:
        if not section.text.strip():
            continue
        whole_title = title if section.heading in ("", title) else f"{title} › {section.heading}"
        yield Document(_free_id(path, section.heading, used), whole_title, section.text.strip("\n"), path)


def _free_id(path: str, heading: str, used: set[str]) -> str:
    slug = "-".join("".join(c if c.isalnum() else " " for c in heading.casefold()).split())
    wanted = f"{path}#{slug}" if slug and used else path
    found, number = wanted, 2
    while found in used:
        found = f"{wanted}{'-' if '#' in wanted else '#'}{number}"
        number += 1
    used.add(found)
    return found
