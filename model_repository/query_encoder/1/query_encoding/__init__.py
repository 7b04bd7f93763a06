"""From token ids to vectors, one a text, bit-equal alone and in any batch."""

from query_encoding.encoder import QueryEncoder
from query_encoding.errors import EncoderFilesError, QueryEncodingError, TokenIdsError
from query_encoding.settings import EncoderSettings

__all__ = ["EncoderFilesError", "EncoderSettings", "QueryEncoder", "QueryEncodingError", "TokenIdsError"]
