"""The ids that an index knows: those of its passages, and those that were dropped as repetitions."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from triton_rag_export.errors import RepositoryError
from triton_rag_export.evaluate.judgements import IndexedIds
from triton_rag_export.evaluate.pipeline import version_folder

REPETITIONS_FILE = "repetitions.json"
_PIECE = re.compile(r"(?P<document>.+)#[1-9][0-9]*")


def read_indexed_ids(repository: Path) -> IndexedIds:
    """Read the ids of a repository's index.

    Raises:
        RepositoryError: the index is missing or damaged.
    """
    from passage_search import IndexFilesError, PassageStore

    folder = version_folder(repository, "passage_search")
    try:
        passages = PassageStore.load(folder)
    except IndexFilesError as error:
        raise RepositoryError(str(error)) from error
    ids = (passages.id(row) for row in range(len(passages)))
    return IndexedIds({name: document_of(name) for name in ids}, _read_repetitions(folder))


def document_of(passage_id: str) -> str:
    """The document of a passage: its own id, without `#number` where the document was cut."""
    match = _PIECE.fullmatch(passage_id)
    return match["document"] if match else passage_id


def write_repetitions(kept_ids: Mapping[str, str], folder: Path) -> None:
    """Write which passages were dropped as repetitions, and which stand for them."""
    text = json.dumps(dict(kept_ids), indent=0, ensure_ascii=False)
    (folder / REPETITIONS_FILE).write_text(text + "\n", encoding="utf-8")


def _read_repetitions(folder: Path) -> dict[str, str]:
    path = folder / REPETITIONS_FILE
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RepositoryError(f"{path} cannot be read ({error}): build the repository again") from error
