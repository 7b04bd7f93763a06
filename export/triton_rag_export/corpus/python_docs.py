"""The documentation inside the running Python: the language's topics and the standard library's docstrings.

Real text of some size that is there without a download (PSF licence). What is in it depends on the Python's
version and on which modules were built with it; the order does not.
"""

import re
import subprocess
import sys
from collections.abc import Iterator

from triton_rag_export.corpus.document import Document
from triton_rag_export.corpus.library import documented_names
from triton_rag_export.errors import CorpusError

_UNDERLINE = re.compile(r"^([*=~^\"-])\1{2,}\n", re.MULTILINE)
_SHORTEST_WORDS = 5
"""A docstring of fewer words, such as "Return self." or "Alias for field 0", answers no question."""


def read_python_docs() -> Iterator[Document]:
    """The topics (`topics/lambda`), then the public names of the standard library (`library/os.path.join`).

    Names that share a docstring (aliases, inherited methods) give one document, that of the first name.

    Raises:
        CorpusError: the interpreter cannot be run to read its library.
    """
    yield from _topics()
    yield from _library()


def _topics() -> Iterator[Document]:
    from pydoc_data.topics import topics  # half a megabyte of text: only when it is read

    for name in sorted(topics):
        text = _UNDERLINE.sub("", topics[name]).strip()
        heading = text.splitlines()[0] if text else ""
        yield Document(f"topics/{name}", heading.replace('"', ""), text, f"pydoc topics: {name}")


def _library() -> Iterator[Document]:
    seen: set[str] = set()
    try:
        names = documented_names()
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise CorpusError(
            f"python-docs: {sys.executable} cannot read its own library: {lines[-1]}. Use another Python."
        ) from error
    for documented in names:
        doc = documented.doc
        if len(doc.split()) < _SHORTEST_WORDS or doc in seen:
            continue
        seen.add(doc)
        heading = f"{documented.name}{documented.signature}" if documented.signature else documented.name
        text = doc if doc.startswith(heading) else f"{heading}\n\n{doc}"
        yield Document(f"library/{documented.name}", documented.name, text, documented.name)
