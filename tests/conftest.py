"""What every test may rely on: the served packages are importable, and no test reaches a model hub."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import triton_rag_export  # noqa: F401  (makes the served packages importable)
