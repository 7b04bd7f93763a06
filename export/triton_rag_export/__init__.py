"""Everything before serving: recipe, corpus, graphs, index, repository, evaluation.

Importing it makes the served models' packages importable (see `served`): they are the one implementation of
search, prompt and generation, and export must use the same. ONNX Runtime reports to its maker from its own
import on, unless a variable says otherwise before it; it does here.
"""

import os

from triton_rag_export.served import make_importable

__all__: list[str] = []

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

make_importable()
