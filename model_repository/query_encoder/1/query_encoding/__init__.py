"""From token ids to vectors, one a text, bit-equal alone and in any batch."""

from query_encoding.encoder import PaddedRows, QueryEncoder
from query_encoding.errors import EncoderFilesError, QueryEncodingError, TokenIdsError
from query_encoding.settings import EncoderSettings, serving_threads

__all__ = [
    "EncoderFilesError",
    "EncoderSettings",
    "PaddedRows",
    "QueryEncoder",
    "QueryEncodingError",
    "TokenIdsError",
    "serving_threads",
]
