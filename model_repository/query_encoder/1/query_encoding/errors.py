"""Errors of query encoding.

QueryEncodingError    everything below
├── EncoderFilesError a file of the encoder is missing, or does not hold what it should
└── TokenIdsError     token ids or a length that the encoder cannot take
"""

__all__ = ["EncoderFilesError", "QueryEncodingError", "TokenIdsError"]


class QueryEncodingError(Exception):
    """The root of what query encoding raises on purpose."""


class EncoderFilesError(QueryEncodingError):
    """A file of the encoder is missing, or does not hold what it should."""


class TokenIdsError(QueryEncodingError):
    """Token ids or a length that the encoder cannot take."""
