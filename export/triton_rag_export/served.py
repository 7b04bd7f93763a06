"""Where the served models' code is, and how export reaches it.

Search, prompt, buckets and generation live beside the model that serves them, so that what is evaluated is
what is served. Triton puts a model's version folder on `sys.path`; export does the same, once.
"""

import sys
from pathlib import Path

SERVED_MODELS = (
    "query_tokenizer",
    "query_encoder",
    "passage_search",
    "prompt_builder",
    "generator",
    "answer",
    "stream_watch",
)


def model_repository_folder() -> Path:
    """The folder of the served models' code: in the installed wheel, or beside `export/` in a checkout.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "model_repository", package.parent.parent / "model_repository"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"model_repository is missing beside {package}: reinstall triton-rag")


def make_importable() -> None:
    """Put each served model's version folder at the end of `sys.path`, as Triton does for its own process."""
    root = model_repository_folder()
    for model in SERVED_MODELS:
        folder = str(root / model / "1")
        if folder not in sys.path:
            sys.path.append(folder)
