"""The cells of a step: figures against the original, and zeros only where they were made."""

from dataclasses import replace

import pytest
from export.evaluate.ledger.rows import ORIGINAL, step_after
from triton_rag_export.evaluate.ledger.row import TEACHERS_INDEX, Size
from triton_rag_export.evaluate.ledger_report import ledger_state
from triton_rag_export.evaluate.ledger_report.table import cells, headings


@pytest.mark.parametrize(("nonzero", "shown"), [(999, "1,000"), (500, "1,000 (50% zeros)")])
def test_zeros_are_shown_where_there_are_many(nonzero: int, shown: str) -> None:
    size = Size(parameters=1000, nonzero=nonzero, graph_bytes=1000)
    (model,) = ledger_state([ORIGINAL, replace(step_after(), size=size)]).models
    assert cells(model, model.stages[1])[1] == shown


def test_a_step_is_compared_with_the_original_and_asked_with_both_indexes() -> None:
    quality = {"medquad": {"nDCG@10": 0.79}, f"medquad{TEACHERS_INDEX}": {"nDCG@10": 0.81}}
    (model,) = ledger_state([ORIGINAL, step_after(quality=quality)]).models
    row = dict(zip(headings(model), cells(model, model.stages[1]), strict=True))
    assert (row["× smaller"], row["× faster"]) == ("4.00", "2.00")
    assert row["nDCG@10 medquad"] == "0.7900 / 0.8100"
    assert (row["distance"], row["training"]) == ("cosine 0.9900", "60 s, 1e+12 FLOPs")
