"""The running Python's documentation: enough of it, no repetitions, and the same in every process."""

import hashlib
import os
import subprocess
import sys

import pytest
from triton_rag_export.corpus import Document
from triton_rag_export.corpus.python_docs import read_python_docs

DIGEST = """
import hashlib
from triton_rag_export.corpus.python_docs import read_python_docs
print(hashlib.sha256(repr(list(read_python_docs())).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    found = list(read_python_docs())
    by_id = {document.id: document for document in found}
    assert len(by_id) == len(found), "ids repeat"
    return by_id


def test_there_are_topics_and_thousands_of_names(documents: dict[str, Document]) -> None:
    assert len(documents) > 3000
    assert documents["topics/lambda"].title == "Lambdas"
    assert documents["topics/lambda"].source == "pydoc topics: lambda"


@pytest.mark.parametrize(
    "name",
    ["os.path.join", "str.join", "len", "json", "json.dumps", "pathlib.Path.glob", "asyncio.run", "dict.get"],
)
def test_what_people_ask_for_is_there_under_the_name_they_write(
    name: str, documents: dict[str, Document]
) -> None:
    document = documents[f"library/{name}"]
    assert (document.title, document.source) == (name, name)
    assert document.text.startswith(name)


def test_signatures_are_part_of_the_text(documents: dict[str, Document]) -> None:
    assert documents["library/os.path.join"].text.startswith("os.path.join(a, *p)\n\n")


def test_private_names_and_modules_with_side_effects_are_left_out(documents: dict[str, Document]) -> None:
    left_out = ("antigravity", "this", "tkinter", "idlelib", "test", "posixpath")
    names = [document.removeprefix("library/").split(".") for document in documents if document[0] == "l"]
    assert [name for name in names if name[0] in left_out or any(part.startswith("_") for part in name)] == []


def test_no_memory_address_makes_builds_differ(documents: dict[str, Document]) -> None:
    assert [document.id for document in documents.values() if " at 0x7" in document.text] == []


def test_no_default_of_a_parameter_shows_the_environment(documents: dict[str, Document]) -> None:
    marker = os.environ["PATH"]
    assert [document.id for document in documents.values() if marker in document.text] == []
    assert documents["library/tempfile.mkstemp"].text.startswith("tempfile.mkstemp(suffix=None, prefix=None")


def test_another_process_reads_the_same(documents: dict[str, Document]) -> None:
    digest = hashlib.sha256(repr(list(documents.values())).encode()).hexdigest()
    other = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest
