"""Every passage has an id of its own: results, answers and judgements name passages by it."""

from collections.abc import Iterable

from triton_rag_export.corpus.document import Passage
from triton_rag_export.errors import CorpusError


def refuse_repeated_ids(passages: Iterable[Passage]) -> None:
    """Make sure that no two passages have the same id.

    A document that is cut gives `ID#1`, `ID#2` and so on, and another document may have that very id.

    Raises:
        CorpusError: names the id, both documents and where they came from.
    """
    first: dict[str, Passage] = {}
    for passage in passages:
        other = first.setdefault(passage.id, passage)
        if other is not passage:
            raise CorpusError(
                f'two passages have the id "{passage.id}": one of the document "{other.document_id}" '
                f'({other.source}), one of the document "{passage.document_id}" ({passage.source}). Cut '
                "documents are numbered ID#1, ID#2 ...: give one of the two another id, heading or file name."
            )
