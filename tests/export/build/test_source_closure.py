"""The code behind an artifact is what its module imports of ours, and nothing else."""

import pytest
from triton_rag_export.build.source_closure import source_file, source_files
from triton_rag_export.served import model_repository_folder


def test_imports_are_followed_into_the_served_packages() -> None:
    files = source_files(["triton_rag_export.graph.encoder"])
    served = model_repository_folder() / "query_encoder" / "1" / "query_encoding"
    assert {source_file("triton_rag_export.graph.linear"), served / "packing.py"} <= set(files)


def test_what_is_not_imported_does_not_count() -> None:
    files = source_files(["triton_rag_export.graph.encoder"])
    assert source_file("triton_rag_export.graph.causal") not in files
    assert source_file("triton_rag_export.build.pipeline") not in files


def test_imports_inside_functions_count() -> None:
    assert source_file("triton_rag_export.index.build") in source_files(
        ["triton_rag_export.build.corpus_steps"]
    )


def test_modules_that_import_each_other_end() -> None:
    files = source_files(["triton_rag_export.build"])
    assert len(files) == len(set(files))


def test_a_module_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ModuleNotFoundError, match="torch"):
        source_files(["torch"])
