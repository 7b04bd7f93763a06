"""The state of a ledger: the last row of each model and its way there."""

from dataclasses import replace

import pytest
from export.evaluate.ledger.rows import ORIGINAL, step_after
from triton_rag_export.errors import LedgerError
from triton_rag_export.evaluate.ledger.row import Failure
from triton_rag_export.evaluate.ledger_report import ledger_state

AGAIN = replace(step_after(), key="c" * 32, parent="b" * 32, step="again")
FAILED = replace(step_after(), key="d" * 32, failures=(Failure("MRR", "MRR is too low"),))


def test_the_ratios_of_a_step_are_products_along_its_way() -> None:
    (model,) = ledger_state([ORIGINAL, step_after(), AGAIN]).models
    assert [stage.row.step for stage in model.stages] == ["original", "int8", "again"]
    assert [(stage.latency, stage.throughput, stage.graph_bytes) for stage in model.stages] == [
        (1.0, 1.0, 1.0),
        (0.5, 2.0, 0.25),
        (0.25, 4.0, 0.0625),
    ]


def test_a_later_run_takes_the_place_of_an_earlier_one() -> None:
    assert ledger_state([ORIGINAL, FAILED]).failures == ("small: encoder after 'int8': MRR is too low",)
    assert ledger_state([ORIGINAL, FAILED, step_after()]).failures == ()


def test_what_was_measured_and_not_chosen_stands_beside_the_way() -> None:
    left = replace(FAILED, is_chosen=False, notes=("not chosen: MRR is too low",))
    stale = replace(left, key="f" * 32, parent="9" * 32)
    for rows, last in (([ORIGINAL, left, stale], "original"), ([ORIGINAL, left, step_after()], "int8")):
        state = ledger_state(rows)
        (model,) = state.models
        assert model.stages[-1].row.step == last
        assert model.left == (left,)
        assert state.failures == ()


def test_a_row_that_is_added_again_is_the_way_again() -> None:
    (model,) = ledger_state(
        [ORIGINAL, step_after(), replace(step_after(), key="c" * 32), step_after()]
    ).models
    assert [stage.row.key[0] for stage in model.stages] == ["a", "b"]


def test_encoder_and_generator_and_recipes_are_apart() -> None:
    other = replace(ORIGINAL, key="e" * 32, recipe="other")
    assert [model.title for model in ledger_state([ORIGINAL, other]).models] == [
        "small: encoder",
        "other: encoder",
    ]


@pytest.mark.parametrize("rows", [[step_after()], [ORIGINAL, replace(step_after(), parent="b" * 32)]])
def test_a_row_without_its_parents_is_refused(rows: list) -> None:
    with pytest.raises(LedgerError, match="which is not in the ledger"):
        ledger_state(rows)


def test_a_ledger_without_rows_says_what_to_do() -> None:
    with pytest.raises(LedgerError, match="run triton-rag compress first"):
        ledger_state([])
