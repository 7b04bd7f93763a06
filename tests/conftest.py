"""What every test may rely on: served packages are importable; no hub is reached, no time is limited."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import hypothesis
import triton_rag_export  # noqa: F401  (makes the served packages importable)

# A busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
