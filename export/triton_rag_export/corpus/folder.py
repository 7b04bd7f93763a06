"""A folder of Markdown, text and HTML files, read in the order of their paths."""

from collections.abc import Callable, Iterator
from pathlib import Path

from triton_rag_export.corpus.document import Document
from triton_rag_export.corpus.html import declared_encoding, html_sections
from triton_rag_export.corpus.markdown import markdown_sections
from triton_rag_export.corpus.sections import Section, section_documents
from triton_rag_export.errors import CorpusError

_MARKDOWN = frozenset({".md", ".markdown"})
_HTML = frozenset({".html", ".htm", ".xhtml"})
_TEXT = frozenset({".txt", ".text", ".rst"})


def read_folder(folder: Path) -> Iterator[Document]:
    """The documents of all Markdown, text and HTML files below a folder.

    A section of Markdown or HTML is a document; a text file is one. Hidden files and folders are left out.

    Raises:
        CorpusError: names the path of what cannot be read or decoded, or says that there is nothing to read.
    """
    paths = [path for path in sorted(folder.rglob("*")) if _is_read(path, folder)]
    if not paths:
        kinds = ", ".join(sorted(_MARKDOWN | _HTML | _TEXT))
        raise CorpusError(f"{folder}: no file to read. Supported: {kinds}.")
    for path in paths:
        name = path.relative_to(folder).as_posix()
        title, sections = _reader(path)(path)
        yield from section_documents(sections, title or path.stem, name)


def _is_read(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in _MARKDOWN | _HTML | _TEXT and path.is_file()


def _reader(path: Path) -> Callable[[Path], tuple[str, list[Section]]]:
    if path.suffix.lower() in _MARKDOWN:
        return _read_markdown
    return _read_html if path.suffix.lower() in _HTML else _read_text


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
            f"{path}:{line}: not {error.encoding} at byte {error.start}. "
            "Save the file as UTF-8, or let an HTML file declare its encoding."
        ) from error
