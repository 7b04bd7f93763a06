"""Plots as SVG, by matplotlib: narrow, so that their text can still be read on a phone."""

import io
import math
from typing import Any

from triton_rag_client.load_report.blocks import Panel, Plot, Series

__all__ = ["draw"]

_WIDTH_INCHES = 5.2
_PANEL_INCHES = 3.3  # of one alone; several are lower
_PANELS_INCHES = 2.1
_BAR_INCHES = 0.42
_LONGEST_LABEL = 28  # characters: about half of the width
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito, 2008
_MARKERS = "os^Dv*"
_PERCENTS = (0.0, 50.0, 90.0, 95.0, 99.0, 99.9)


def draw(plot: Plot) -> bytes:
    """A plot as SVG, the same bytes for the same plot."""
    # Here: drawing needs the extra `report`, and measuring does not.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(
        {
            "svg.hashsalt": plot.name,
            "svg.fonttype": "path",
            "text.parse_math": False,  # a name with two dollars is a name
            "font.size": 10,
        }
    ):
        figure = Figure(figsize=(_WIDTH_INCHES, _height_inches(plot)), layout="constrained")
        rows = figure.subplots(len(plot.panels), squeeze=False)
        for panel, (axes,) in zip(plot.panels, rows, strict=True):
            _DRAW[panel.kind](axes, panel)
            axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
            axes.grid(alpha=0.3)
            if len(panel.series) > 1:
                axes.legend(fontsize=9)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()


def _height_inches(plot: Plot) -> float:
    first = plot.panels[0]
    if first.kind == "bars":
        return 1.3 + _BAR_INCHES * len(first.series[0].y)
    return _PANEL_INCHES if len(plot.panels) == 1 else _PANELS_INCHES * len(plot.panels)


def _points(axes: Any, panel: Panel) -> None:
    for number, series in enumerate(panel.series):
        axes.plot(series.x, series.y, **_look(number), label=series.name)
    _label(axes, panel.series[-1])  # the slowest, above whose line is room
    axes.margins(x=0.15, y=0.15)  # before the limits, which end the fitting
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)


def _steps(axes: Any, panel: Panel) -> None:
    for number, series in enumerate(panel.series):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(series.x, series.y, color=colour, label=series.name, drawstyle="steps-post")
        axes.scatter(series.x, series.y, color=colour, s=8)
    axes.margins(y=0.15)
    axes.set_ylim(bottom=0)


def _percentiles(axes: Any, panel: Panel) -> None:
    """Along -log10(1 - p), as HdrHistogram's own plots, so that the slow ones get room."""
    for number, series in enumerate(panel.series):
        axes.plot([_tail(percent) for percent in series.x], series.y, **_look(number), label=series.name)
    most = max((percent for series in panel.series for percent in series.x), default=0.0)
    shown = [percent for percent in _PERCENTS if percent <= most]
    axes.set_xticks([_tail(percent) for percent in shown], [f"{percent:g}" for percent in shown])
    axes.set_ylim(bottom=0)


def _bars(axes: Any, panel: Panel) -> None:
    for number, series in enumerate(panel.series):
        places = range(len(series.y))
        axes.barh(places, series.y, left=series.x, color=_COLOURS[number], label=series.name, height=0.7)
        if series.labels:
            axes.set_yticks(list(places), [_short(label) for label in series.labels])
    axes.invert_yaxis()


def _look(number: int) -> dict[str, Any]:
    return {"color": _COLOURS[number % len(_COLOURS)], "marker": _MARKERS[number % len(_MARKERS)], "ms": 5}


def _label(axes: Any, series: Series) -> None:
    for x, y, label in zip(series.x, series.y, series.labels, strict=False):
        if math.isfinite(x) and math.isfinite(y):
            axes.annotate(label, (x, y), xytext=(0, 7), textcoords="offset points", fontsize=8, ha="center")


def _short(label: str) -> str:
    """A name that leaves room for the bars; the words beside the plot have the whole one."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _tail(percent: float) -> float:
    return -math.log10(1 - percent / 100)


_DRAW = {"points": _points, "steps": _steps, "percentiles": _percentiles, "bars": _bars}
