"""From sources of text to the passages that are searched: read, cut, drop repetitions."""

from triton_rag_export.corpus.cut import cut_passages, whole_passages
from triton_rag_export.corpus.distinct_ids import refuse_repeated_ids
from triton_rag_export.corpus.document import Document, Passage
from triton_rag_export.corpus.duplicates import UniquePassages, without_duplicates
from triton_rag_export.corpus.read import read_documents

__all__ = [
    "Document",
    "Passage",
    "UniquePassages",
    "cut_passages",
    "read_documents",
    "refuse_repeated_ids",
    "whole_passages",
    "without_duplicates",
]
