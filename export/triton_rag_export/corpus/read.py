"""Choose the reader of a recipe's source."""

from collections.abc import Iterator
from pathlib import Path

from triton_rag_export.corpus.document import Document
from triton_rag_export.corpus.folder import read_folder
from triton_rag_export.corpus.json_lines import read_json_lines
from triton_rag_export.corpus.python_docs import read_python_docs
from triton_rag_export.errors import CorpusError
from triton_rag_export.recipe import CorpusRecipe


def read_documents(corpus: CorpusRecipe) -> Iterator[Document]:
    """The documents of a corpus, in an order that is the same every time.

    Args:
        corpus: the recipe's table.

    Yields:
        Documents with distinct ids and text that is not empty.

    Raises:
        CorpusError: a file cannot be read or a row is wrong (path and line), or there is no document at all.
    """
    empty = True
    for document in _documents(corpus):
        empty = False
        yield document
    if empty:
        where = corpus.path or corpus.source
        raise CorpusError(f"{where}: no documents found. Give a corpus with at least one text.")


def _documents(corpus: CorpusRecipe) -> Iterator[Document]:
    path = corpus.path or Path()  # the recipe makes sure that there is one where it is needed
    match corpus.source:
        case "python-docs":
            return read_python_docs()
        case "jsonl":
            return read_json_lines(path)
        case "folder":
            return read_folder(path)
