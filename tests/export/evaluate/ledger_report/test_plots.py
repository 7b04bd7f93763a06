"""Pareto plots: the front by its definition, files that are pictures, words beside them."""

import hashlib
import xml.etree.ElementTree as ElementTree

from export.evaluate.ledger.rows import ORIGINAL, step_after
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.evaluate.ledger.row import TEACHERS_INDEX
from triton_rag_export.evaluate.ledger_report import ledger_state
from triton_rag_export.evaluate.ledger_report.plots import Point, draw, pareto_front, plots_of

small_numbers = st.integers(0, 6).map(float)


@given(st.lists(st.builds(Point, st.just("a step"), small_numbers, small_numbers), min_size=1, max_size=12))
def test_the_front_is_what_no_other_point_dominates(points: list[Point]) -> None:
    def dominates(one: Point, other: Point) -> bool:
        no_worse = one.cost <= other.cost and one.quality >= other.quality
        return no_worse and (one.cost, one.quality) != (other.cost, other.quality)

    expected = {p for p in points if not any(dominates(other, p) for other in points)}
    front = pareto_front(points)
    assert set(front) == expected
    assert [p.cost for p in front] == sorted(p.cost for p in front)


def plots():
    quality = {"medquad": {"nDCG@10": 0.79}, f"medquad{TEACHERS_INDEX}": {"nDCG@10": 0.81}}
    (model,) = ledger_state([ORIGINAL, step_after(quality=quality)]).models
    return plots_of(model)


def test_there_is_a_plot_for_latency_and_for_bytes() -> None:
    latency, size = plots()
    assert [(p.name, p.cost, p.quality) for p in latency.points] == [
        ("original", 2.0, 0.8),
        ("int8", 1.0, 0.79),
        (f"int8{TEACHERS_INDEX}", 1.0, 0.81),
    ]
    assert [point.cost for point in size.points] == [0.004, 0.001, 0.001]


def test_a_plot_says_in_words_what_it_shows() -> None:
    latency, _ = plots()
    assert "int8: nDCG@10 0.7900 at 1;" in latency.alternative
    assert latency.alternative.endswith(f"On the Pareto front: int8{TEACHERS_INDEX}.")


def test_pictures_are_drawn_and_the_same_each_time() -> None:
    plot = plots()[0]
    svg = draw(plot, "svg")
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert draw(plot, "png").startswith(b"\x89PNG")
    assert hashlib.sha256(svg).digest() == hashlib.sha256(draw(plot, "svg")).digest()
