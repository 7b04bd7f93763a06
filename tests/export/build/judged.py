"""A judged data set over the small corpus, and a recipe that measures on it."""

import json
from pathlib import Path
from typing import Any

from export.small_build import DOCUMENTS, small_recipe
from triton_rag_export.recipe import Recipe, load_recipe

QUESTIONS = (
    {"question": "What is stable?", "passage_id": "sorting", "answers": ["Sorting"]},
    {"question": "Where does append add?", "passage_id": "lists", "answers": ["at the end"]},
    {"question": "What is hashed?", "passage_id": "dictionaries", "answers": ["Keys"]},
)
ANY_QUALITY = """
[encoder.gate]
least_speedup = 0.0
least_shrink = 0.0
ndcg_loss = 1.0
recall_loss = 1.0
mrr_loss = 1.0
"""
"""A gate that lets every encoder pass."""


def write_judged_data(folder: Path) -> Path:
    """Write the data set `small` below a folder."""
    data = folder / "data" / "small"
    data.mkdir(parents=True, exist_ok=True)
    rows = [{"id": key, "title": title, "text": text} for key, (title, text) in DOCUMENTS.items()]
    (data / "passages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (data / "questions.dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    return folder / "data"


def measured_recipe(folder: Path, extra: str = "", **settings: Any) -> Recipe:
    """The small recipe with a ledger over the data set, few turns, and more tables."""
    small_recipe(folder, **settings)
    path = folder / "recipe.toml"
    text = f'{path.read_text()}\n[ledger]\ndata = "data"\nturns = 2\nanswer_tokens = 4\n{extra}'
    path.write_text(text, encoding="utf-8")
    return load_recipe(path)
