"""A folder of Markdown, text and HTML files, read in the order of their paths."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from triton_rag_export.corpus.document import Document
from triton_rag_export.corpus.folder_files import HTML, MARKDOWN, READ, files_to_read
from triton_rag_export.corpus.html import declared_encoding, html_sections
from triton_rag_export.corpus.markdown import markdown_sections
from triton_rag_export.corpus.sections import Section, section_documents
from triton_rag_export.errors import CorpusError

LOGGER = logging.getLogger(__name__)

_NAMED_FILES = 5
"""So many files without text are named in the warning; the others are counted."""


def read_folder(folder: Path) -> Iterator[Document]:
    """The documents of all Markdown, text and HTML files below a folder.

    A section of Markdown or HTML is a document; a text file is one. Files without any text are named in a
    warning of the log.

    Raises:
        CorpusError: names the path of what cannot be read or decoded, or says that there is nothing to read.
    """
    paths = files_to_read(folder)
    if not paths:
        raise CorpusError(f"{folder}: no file to read. Supported: {', '.join(sorted(READ))}.")
    without_text = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        title, sections = _reader(path)(path)
        documents = list(section_documents(sections, title, name))
        yield from documents
        if not documents:
            without_text.append(name)
    if without_text:
        named = ", ".join(without_text[:_NAMED_FILES]) + (" ..." if len(without_text) > _NAMED_FILES else "")
        LOGGER.warning("%s: %d of %d files have no text: %s", folder, len(without_text), len(paths), named)


def _reader(path: Path) -> Callable[[Path], tuple[str, list[Section]]]:
    if path.suffix.lower() in MARKDOWN:
        return _read_markdown
    return _read_html if path.suffix.lower() in HTML else _read_text


def _read_markdown(path: Path) -> tuple[str, list[Section]]:
    return markdown_sections(_decoded(path, _raw(path), "utf-8-sig"))


def _read_text(path: Path) -> tuple[str, list[Section]]:
    return "", [Section("", _decoded(path, _raw(path), "utf-8-sig"))]


def _read_html(path: Path) -> tuple[str, list[Section]]:
    raw = _raw(path)
    encoding = declared_encoding(raw)
    return html_sections(_decoded(path, raw, "utf-8-sig" if encoding == "utf-8" else encoding))


def _raw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"{path}: cannot be read: {error.strerror}. Check the file's permissions."
        ) from error


def _decoded(path: Path, raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding).replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    except LookupError as error:
        raise CorpusError(
            f"{path}: declares the unknown encoding {encoding}. Save the file as UTF-8."
        ) from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise CorpusError(
            f"{path}:{line}: not {encoding.removesuffix('-sig')} at byte {error.start}. "
            "Save the file as UTF-8, or let an HTML file declare its encoding."
        ) from error
