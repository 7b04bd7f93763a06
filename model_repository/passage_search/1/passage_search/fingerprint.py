"""The index knows its encoder: vectors of two encoders cannot be compared, and nothing else would notice."""

import json
from collections.abc import Mapping
from pathlib import Path

from passage_search.errors import FingerprintMismatchError, IndexFilesError
from passage_search.settings import FingerprintValue

ENCODER_MODEL = "query_encoder"
ENCODER_FILE = "encoder.json"


def serving_encoder(version_folder: Path) -> Path | None:
    """The file of the encoder that serves beside an index, None where there is none.

    Args:
        version_folder: of the search model, such as `repository/passage_search/1`.
    """
    versions = (version_folder.resolve().parent.parent / ENCODER_MODEL).glob(f"*/{ENCODER_FILE}")
    numbered = [path for path in versions if path.parent.name.isdigit()]
    return max(numbered, key=lambda path: int(path.parent.name), default=None)


def check_encoder(index: Mapping[str, FingerprintValue], encoder_file: Path) -> None:
    """Compare the fingerprint of an index with that of the encoder that serves.

    Args:
        index: fingerprint of the encoder that the index was built for.
        encoder_file: `encoder.json` of the encoder that serves.

    Raises:
        FingerprintMismatchError: says which fields differ.
        IndexFilesError: the file cannot be read.
    """
    try:
        metadata = json.loads(encoder_file.read_text(encoding="utf-8"))
        encoder = dict(metadata["fingerprint"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise IndexFilesError(
            f"{encoder_file} cannot be read ({error}): build the repository again"
        ) from error
    different = [name for name in {**index, **encoder} if index.get(name) != encoder.get(name)]
    if different:
        listed = ", ".join(
            f"{name} (index: {index.get(name)!r}, encoder: {encoder.get(name)!r})" for name in different
        )
        raise FingerprintMismatchError(
            f"the index was built for another encoder than {encoder_file}: {listed}. "
            "Build the repository again, or put the encoder back that the index was built for."
        )
