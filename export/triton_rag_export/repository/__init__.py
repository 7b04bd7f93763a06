"""A model repository as Triton lays it out: configs, warm-up, manifest, and checks without Triton."""

from triton_rag_export.repository.config import ConfigChanges, apply_changes, read_config, write_config
from triton_rag_export.repository.findings import Finding
from triton_rag_export.repository.lint import lint
from triton_rag_export.repository.manifest import (
    MANIFEST_FILE,
    FileEntry,
    Manifest,
    ModelEntry,
    read_manifest,
    write_manifest,
)

__all__ = [
    "MANIFEST_FILE",
    "ConfigChanges",
    "FileEntry",
    "Finding",
    "Manifest",
    "ModelEntry",
    "apply_changes",
    "lint",
    "read_config",
    "read_manifest",
    "write_config",
    "write_manifest",
]
