"""Check that the index was built for the encoder that serves beside it (the same check as at load)."""

from collections.abc import Iterator
from pathlib import Path

from triton_rag_export.repository.findings import REBUILD, RESTORE, Finding

SEARCH_MODEL = "passage_search"
INDEX_FILE = "index.json"


def check_index(repository: Path) -> Iterator[Finding]:
    """An index whose encoder is another than the one that serves, or that cannot be compared."""
    from passage_search import (
        FingerprintMismatchError,
        IndexFilesError,
        IndexSettings,
        check_encoder,
        serving_encoder,
    )

    for version in sorted((repository / SEARCH_MODEL).glob("[0-9]*")):
        file = (version / INDEX_FILE).relative_to(repository)
        encoder = serving_encoder(version)
        if encoder is None:
            yield Finding(Path("query_encoder"), "has no encoder.json to compare the index with", RESTORE)
            continue
        try:
            check_encoder(IndexSettings.read(version).encoder, encoder)
        except FingerprintMismatchError as error:
            yield Finding(file, str(error), REBUILD)
        except IndexFilesError as error:
            yield Finding(file, f"cannot be compared ({error})", RESTORE)
