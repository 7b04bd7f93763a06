"""Which files of a corpus folder are read: the fingerprint of a corpus and its reader must agree on it."""

import os
from collections.abc import Iterator
from pathlib import Path

from triton_rag_export.errors import CorpusError

MARKDOWN = frozenset({".md", ".markdown"})
HTML = frozenset({".html", ".htm", ".xhtml"})
TEXT = frozenset({".txt", ".text", ".rst"})
READ = MARKDOWN | HTML | TEXT


def files_to_read(folder: Path) -> list[Path]:
    """Markdown, text and HTML files at any depth below a folder, sorted by path.

    Hidden files and folders are left out. Links to files and folders are followed; a folder that is reached
    in several ways is read once, at its own place if that is below `folder`.

    Raises:
        CorpusError: a folder cannot be listed.
    """
    found: list[Path] = []
    links = [folder]
    seen: set[Path] = set()
    while links:
        start = links.pop(0)
        for path in _walked(start, seen, links):
            found.append(path)
    return sorted(found)


def _walked(start: Path, seen: set[Path], links: list[Path]) -> Iterator[Path]:
    """Files to read below `start` in folders not `seen` before; linked folders are added to `links`."""
    for name, folders, files in os.walk(start, onerror=_refuse):
        place = Path(name)
        resolved = place.resolve()
        if resolved in seen:
            folders.clear()
            continue
        seen.add(resolved)
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        links += [place / folder for folder in folders if (place / folder).is_symlink()]
        for file in files:
            path = place / file
            if not file.startswith(".") and path.suffix.lower() in READ and path.is_file():
                yield path


def _refuse(error: OSError) -> None:
    raise CorpusError(
        f"{error.filename}: cannot be listed: {error.strerror}. Make the folder readable, or move it away."
    ) from error
