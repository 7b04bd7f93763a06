"""Passages to the index that `passage_search` serves: vectors, words and texts."""

from triton_rag_export.index.build import IndexReport, build_index, indexed_text
from triton_rag_export.index.embed import EmbeddedPassages, embed_passages

__all__ = ["EmbeddedPassages", "IndexReport", "build_index", "embed_passages", "indexed_text"]
