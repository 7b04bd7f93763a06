"""The errors of the served packages at export's borders.

Export runs the code that serves, which has error trees of its own. Whoever calls export sees export's errors
only: a message instead of a traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from triton_rag_export.errors import ExportError


@contextmanager
def served_errors_as(kind: type[ExportError], about: str) -> Iterator[None]:
    """Raise what the served packages raise on purpose as an error of ours.

    Args:
        kind: the error to raise.
        about: what was being done, in front of the message.
    """
    from generation.errors import GenerationError
    from passage_search.errors import PassageSearchError
    from prompting.errors import PromptingError
    from query_encoding.errors import QueryEncodingError
    from query_tokenization.errors import QueryTokenizationError

    try:
        yield
    except (
        GenerationError,
        PassageSearchError,
        PromptingError,
        QueryEncodingError,
        QueryTokenizationError,
    ) as error:
        raise kind(f"{about}: {error}") from error
