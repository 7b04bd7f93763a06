"""The gate: a step that loses too much, or misses its goal, is told by how much."""

from dataclasses import replace

import pytest
from export.evaluate.ledger.rows import ORIGINAL, step_after
from triton_rag_export.evaluate.ledger import Gate, LedgerRow, failures
from triton_rag_export.evaluate.ledger.row import TEACHERS_INDEX

GATE = Gate({"nDCG@10": 0.05, "MRR": 0.05})


def against(row: LedgerRow, **figures: float) -> LedgerRow:
    assert row.against_parent is not None
    return replace(row, against_parent=replace(row.against_parent, **figures))


def with_ndcg(value: float, index: str = "") -> LedgerRow:
    return step_after(quality={f"medquad{index}": {"nDCG@10": value, "MRR": 0.7}})


def test_the_original_always_passes() -> None:
    assert failures(ORIGINAL, None, Gate({"nDCG@10": 0.0}, least_speedup=99)) == ()


@pytest.mark.parametrize(("value", "fails"), [(0.9, False), (0.8, False), (0.7601, False), (0.7599, True)])
def test_a_step_may_lose_a_share_of_what_was_before(value: float, fails: bool) -> None:
    assert [failure.figure for failure in failures(with_ndcg(value), ORIGINAL, GATE)] == (
        ["nDCG@10 on medquad"] if fails else []
    )


def test_a_failure_says_what_is_allowed_and_by_how_much_it_was_missed() -> None:
    (failure,) = failures(with_ndcg(0.72), ORIGINAL, GATE)
    assert failure.message == (
        "nDCG@10 on medquad is 0.7200, 10.0% less than the 0.8000 before; allowed: 5.0% less; missed by 5.0%"
    )


def test_only_steps_that_are_to_be_faster_or_smaller_have_to_be() -> None:
    slow = against(step_after(), throughput=0.5, graph_bytes=2.0)
    assert [failure.figure for failure in failures(slow, ORIGINAL, GATE)] == ["bytes on disk", "throughput"]
    assert failures(replace(slow, goals=()), ORIGINAL, GATE) == ()


def test_a_recipe_can_ask_for_more_than_being_faster() -> None:
    gate = Gate({}, least_speedup=2.5, least_shrink=4.0)
    (failure,) = failures(step_after(), ORIGINAL, gate)
    assert "2.00 times as fast as before" in failure.message
    assert "allowed: at least 2.5 times; missed by 20.0%" in failure.message


def test_queries_that_will_search_the_teachers_index_are_judged_there() -> None:
    bad_there = step_after(
        quality={"medquad": {"nDCG@10": 0.8}, f"medquad{TEACHERS_INDEX}": {"nDCG@10": 0.1}}
    )
    before = replace(
        ORIGINAL,
        quality={
            "medquad": {"nDCG@10": 0.8},
            f"medquad{TEACHERS_INDEX}": {"nDCG@10": 0.8},
        },
    )
    assert failures(bad_there, before, GATE) == ()
    (failure,) = failures(bad_there, before, replace(GATE, teachers_index=True))
    assert failure.figure == f"nDCG@10 on medquad{TEACHERS_INDEX}"


def test_a_measure_that_was_zero_before_cannot_be_lost() -> None:
    nothing = replace(ORIGINAL, quality={"medquad": {"nDCG@10": 0.0, "MRR": 0.0}})
    assert failures(with_ndcg(0.0), nothing, GATE) == ()


@pytest.mark.parametrize(
    ("quality", "gate"),
    [
        ({}, GATE),
        ({"medquad": {"F1": 0.5}}, GATE),
        ({"medquad": {"nDCG@10": 0.8}}, replace(GATE, teachers_index=True)),
    ],
    ids=["no data set", "other measures", "no teacher's index"],
)
def test_a_gate_that_has_nothing_to_judge_by_does_not_pass(
    quality: dict[str, dict[str, float]], gate: Gate
) -> None:
    (failure,) = failures(step_after(quality=quality), ORIGINAL, gate)
    assert failure.figure == "quality"
    assert "nDCG@10, MRR of 'int8' were measured on no data set" in failure.message
    assert "data of [ledger]" in failure.message


def test_a_gate_that_allows_every_loss_needs_no_data() -> None:
    assert failures(step_after(quality={}), ORIGINAL, Gate({"nDCG@10": 1.0})) == ()


def test_a_parent_without_quality_has_none_to_lose() -> None:
    nothing = replace(ORIGINAL, quality={"medquad": {"nDCG@10": 0.0, "MRR": 0.0}})
    assert failures(with_ndcg(0.0), nothing, GATE) == ()
