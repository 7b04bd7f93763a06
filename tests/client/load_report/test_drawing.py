from xml.etree import ElementTree

from triton_rag_client.load_report.blocks import Panel, Plot, Series
from triton_rag_client.load_report.drawing import draw


def bars(label: str) -> Plot:
    series = (Series("queue", (0.0,), (0.1,), (label,)), Series("compute", (0.1,), (0.9,)))
    return Plot("stages", "Stages", "In words.", (Panel("seconds", "", series, "bars"),))


def test_a_name_too_long_for_a_plot_is_shortened_and_leaves_room_for_the_bars() -> None:
    long = draw(bars("a_model_with_a_very_long_name_" * 8))  # matplotlib warns where no room is left
    assert ElementTree.fromstring(long).tag.endswith("svg")
    assert long == draw(bars("a_model_with_a_very_long_na…"))
    assert long != draw(bars("a_model"))
