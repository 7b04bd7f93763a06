"""Errors of every served package reach the callers of export as errors of ours."""

import importlib

import pytest
from triton_rag_export.errors import BuildError
from triton_rag_export.served_errors import served_errors_as

PACKAGES = {
    "generation": "GenerationError",
    "passage_search": "PassageSearchError",
    "prompting": "PromptingError",
    "query_encoding": "QueryEncodingError",
    "query_tokenization": "QueryTokenizationError",
}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_every_error_of_a_served_package_is_mapped(package: str) -> None:
    errors = importlib.import_module(f"{package}.errors")
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, getattr(errors, PACKAGES[package]))
        with (
            pytest.raises(BuildError, match="the build: what happened") as raised,
            served_errors_as(BuildError, "the build"),
        ):
            raise kind("what happened")
        assert isinstance(raised.value.__cause__, kind)


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), served_errors_as(BuildError, "the build"):
        raise ZeroDivisionError
