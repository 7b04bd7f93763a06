"""Everything before serving: recipe, corpus, graphs, index, repository, evaluation.

Importing it makes the served models' packages importable (see `served`): they are the one implementation of
search, prompt and generation, and export must use the same.
"""

from triton_rag_export.served import make_importable

__all__: list[str] = []

make_importable()
