"""The README's tables of limits say what the code does."""

import re
import tomllib
from pathlib import Path

from generation.options import (
    MAX_BEAMS,
    MAX_LENGTH_PENALTY,
    MAX_REPETITION_PENALTY,
    MAX_SEED,
    MAX_STOP_CHARACTERS,
    MAX_STOP_STRINGS,
    MAX_STOP_TOKENS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MIN_LENGTH_PENALTY,
    MIN_REPETITION_PENALTY,
)
from generation.options import OPTION_NAMES as GENERATOR_OPTIONS
from triton_rag_export.recipe import GeneratorRecipe, RetrievalRecipe, ServingRecipe

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RETRIEVAL, SERVING, GENERATOR = RetrievalRecipe(), ServingRecipe(), GeneratorRecipe()


def cells(first: str) -> list[str]:
    """The cells of the table row that begins with `first`."""
    line = re.search(rf"^\| {re.escape(first)} \|.*$", README, re.MULTILINE)
    assert line, f"the README has no row {first!r}"
    return [cell.strip() for cell in line[0].strip("|").split("|")]


def test_every_option_of_a_request_has_a_row() -> None:
    for option in ("QUERY", "RETRIEVER", "PASSAGES_K", *GENERATOR_OPTIONS):
        assert len(cells(f"`{option}`")) == 4


def test_defaults_and_limits_of_options_are_those_of_the_code() -> None:
    assert cells("`QUERY`")[2].endswith(f"at most {SERVING.max_query_characters} characters")
    assert cells("`RETRIEVER`")[1] == f"`{RETRIEVAL.retriever}`"
    assert cells("`PASSAGES_K`")[1:3] == [str(RETRIEVAL.passages_k), "1 to 20"]
    assert cells("`MAX_TOKENS`")[1:3] == [str(SERVING.default_max_tokens), f"1 to {SERVING.max_tokens}"]
    assert cells("`TEMPERATURE`")[2] == f"0 to {MAX_TEMPERATURE:g}"
    assert cells("`TOP_K`")[2] == f"0 to {MAX_TOP_K}"
    assert (
        cells("`STOP`")[2] == f"at most {MAX_STOP_STRINGS} strings of 1 to {MAX_STOP_CHARACTERS} characters"
    )
    assert cells("`REPETITION_PENALTY`")[2] == f"{MIN_REPETITION_PENALTY:g} to {MAX_REPETITION_PENALTY:g}"
    assert cells("`STOP_TOKENS`")[2] == f"at most {MAX_STOP_TOKENS} ids of the generator's tokens"
    assert cells("`BEAMS`")[2] == f"1 to {MAX_BEAMS}, at most `serving.slots`"
    assert cells("`LENGTH_PENALTY`")[2] == f"{MIN_LENGTH_PENALTY:g} to {MAX_LENGTH_PENALTY:g}"
    assert MAX_SEED == 2**63 - 1


def test_limits_of_the_server_are_the_defaults_of_their_keys() -> None:
    rows = re.findall(r"^\|[^|\n]+\| (\d+)[^|\n]* \| `(\w+)\.(\w+)` \|$", README, re.MULTILINE)
    tables = {"serving": SERVING, "generator": GENERATOR}
    checked = [(int(limit), getattr(tables[table], key)) for limit, table, key in rows if table in tables]
    assert len(checked) >= 6
    assert all(limit == default for limit, default in checked)


def test_the_default_recipe_keeps_the_defaults_that_the_readme_names() -> None:
    recipe = tomllib.loads((ROOT / "recipes" / "python-docs.toml").read_text(encoding="utf-8"))
    for table, defaults in (("retrieval", RETRIEVAL), ("serving", SERVING)):
        assert recipe[table] == {key: getattr(defaults, key) for key in recipe[table]}
