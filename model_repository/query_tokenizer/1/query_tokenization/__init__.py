"""From the bytes of queries to padded token ids, one length bucket a call."""

from query_tokenization.errors import QueryTokenizationError, TokenizerFilesError, UnknownParameterError
from query_tokenization.parameters import OPTIONS, check_parameters
from query_tokenization.settings import TokenizerSettings
from query_tokenization.tokenizer import QueryTokenizer, TokenizedQueries

__all__ = [
    "OPTIONS",
    "QueryTokenizationError",
    "QueryTokenizer",
    "TokenizedQueries",
    "TokenizerFilesError",
    "TokenizerSettings",
    "UnknownParameterError",
    "check_parameters",
]
