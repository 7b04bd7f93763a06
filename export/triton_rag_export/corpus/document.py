"""What a source gives (documents) and what is searched (passages)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One text of a source.

    Attributes:
        id: unique in the corpus.
        title: for the reader and for search; may be empty.
        text: not empty.
        source: where it came from, in words a reader understands, such as a file's path.
    """

    id: str
    title: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document.

    Attributes:
        id: the document's id where the document is one passage, else `DOCUMENT_ID#NUMBER`, counted from 1.
        document_id: the document it was cut from.
        title: the document's.
        text: `document.text[start:end]`.
        source: the document's.
        start: first character in the document's text.
        end: character after the last.
    """

    id: str
    document_id: str
    title: str
    text: str
    source: str
    start: int
    end: int
