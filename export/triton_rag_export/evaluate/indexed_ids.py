"""The ids that an index knows: passages and their documents, those dropped as repetitions included.

documents.json      document of each passage that has another id than its document
repetitions.json    passages dropped as repetitions, and which stand for them
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from triton_rag_export.corpus import Passage
from triton_rag_export.errors import RepositoryError
from triton_rag_export.evaluate.judgements import IndexedIds
from triton_rag_export.evaluate.pipeline import version_folder

DOCUMENTS_FILE = "documents.json"
REPETITIONS_FILE = "repetitions.json"
ID_FILES = (DOCUMENTS_FILE, REPETITIONS_FILE)


def read_indexed_ids(repository: Path) -> IndexedIds:
    """Read the ids of a repository's index.

    Raises:
        RepositoryError: the index or a file beside it is missing or damaged.
    """
    from passage_search import IndexFilesError, PassageStore

    folder = version_folder(repository, "passage_search")
    try:
        passages = PassageStore.load(folder)
    except IndexFilesError as error:
        raise RepositoryError(str(error)) from error
    documents, kept_ids = (_read(folder / name) for name in ID_FILES)
    names = [*(passages.id(row) for row in range(len(passages))), *kept_ids]
    return IndexedIds({name: documents.get(name, name) for name in names}, kept_ids)


def write_indexed_ids(passages: Iterable[Passage], kept_ids: Mapping[str, str], folder: Path) -> None:
    """Write both files.

    Args:
        passages: all of the corpus, before repetitions were dropped.
        kept_ids: id of each dropped passage to the id of the one that stands for it.
        folder: an existing folder.
    """
    cut = {passage.id: passage.document_id for passage in passages if passage.id != passage.document_id}
    for name, content in zip(ID_FILES, (cut, dict(kept_ids)), strict=True):
        text = json.dumps(content, indent=0, ensure_ascii=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")


def read_kept_ids(folder: Path) -> dict[str, str]:
    """Ids of passages that were dropped as repetitions, to those of the ones that stayed.

    Args:
        folder: what `write_indexed_ids` wrote to.

    Raises:
        RepositoryError: the file is missing or damaged.
    """
    return _read(folder / REPETITIONS_FILE)


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RepositoryError(f"{path} cannot be read ({error}): build the repository again") from error
