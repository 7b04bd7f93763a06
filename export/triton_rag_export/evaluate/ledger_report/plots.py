"""Pareto plots: quality against latency, and against bytes.

A point that no other is better than in both is on the front, and joined to its neighbours there. Each plot
has a text alternative that says in words what it shows.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from triton_rag_export.evaluate.ledger.row import TEACHERS_INDEX
from triton_rag_export.evaluate.ledger_report.state import ModelState

Cost = Literal["latency", "bytes"]
COSTS: tuple[Cost, ...] = ("latency", "bytes")
SIZE_INCHES = (7.0, 4.6)
DOTS_AN_INCH = 150


@dataclass(frozen=True, slots=True)
class Point:
    """A step in a plot.

    Attributes:
        name: the step; the index too where it is the teacher's.
        cost: latency in ms, or megabytes; smaller is better.
        quality: larger is better.
    """

    name: str
    cost: float
    quality: float


@dataclass(frozen=True, slots=True)
class Plot:
    """Quality against a cost on one data set.

    Attributes:
        name: for files.
        title: above it.
        cost_label: of the axis below.
        quality_label: of the axis beside it.
        points: in the order of the steps.
    """

    name: str
    title: str
    cost_label: str
    quality_label: str
    points: tuple[Point, ...]

    @property
    def front(self) -> tuple[Point, ...]:
        """The points that no other is better than in both, by growing cost."""
        return pareto_front(self.points)

    @property
    def alternative(self) -> str:
        """The plot in words."""
        points = "; ".join(
            f"{point.name}: {self.quality_label} {point.quality:.4f} at {point.cost:.4g}"
            for point in self.points
        )
        best = ", ".join(point.name for point in self.front)
        return f"{self.title}. {self.cost_label}. {points}. On the Pareto front: {best}."


def pareto_front(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that no other is at least as good as in both and better in one, by growing cost."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.quality)):
        if not front or point.quality > front[-1].quality:
            front.append(point)
    return tuple(front)


def plots_of(model: ModelState) -> tuple[Plot, ...]:
    """The plots of a model, two for each data set; none where nothing was judged."""
    data_sets = [name for name in model.data_sets if not name.endswith(TEACHERS_INDEX)]
    return tuple(_plot(model, data_set, cost) for data_set in data_sets for cost in COSTS)


def _plot(model: ModelState, data_set: str, cost: Cost) -> Plot:
    original = model.stages[0].row
    points = []
    for stage in model.stages:
        latency_ms = original.speed.latency_p50_ms * stage.latency
        value = latency_ms if cost == "latency" else stage.row.size.graph_bytes / 1e6
        for name, suffix in ((data_set, ""), (data_set + TEACHERS_INDEX, TEACHERS_INDEX)):
            if name in stage.row.quality:
                quality = stage.row.quality[name][model.measure]
                points.append(Point(stage.row.step + suffix, value, quality))
    label = "ms a request alone, p50" if cost == "latency" else "MB of the graph on disk"
    name = "-".join([model.recipe, model.kind, data_set.replace("/", "-"), cost])
    title = f"{model.title} on {data_set}: {model.measure} against {cost}"
    return Plot(name, title, label, model.measure, tuple(points))


def draw(plot: Plot, kind: Literal["svg", "png"]) -> bytes:
    """A plot as a picture.

    Args:
        plot: what to draw.
        kind: of file.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": plot.name, "svg.fonttype": "path"}):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        front = plot.front
        axes.plot([p.cost for p in front], [p.quality for p in front], color="#888888", zorder=1)
        for point in plot.points:
            is_asymmetric = point.name.endswith(TEACHERS_INDEX)
            axes.scatter(
                point.cost,
                point.quality,
                marker="^" if is_asymmetric else "o",
                color="#b2182b" if is_asymmetric else "#2166ac",
                s=55,
                zorder=2,
            )
            axes.annotate(
                point.name, (point.cost, point.quality), xytext=(6, 6), textcoords="offset points", fontsize=9
            )
        axes.set(xlabel=plot.cost_label, ylabel=plot.quality_label, title=plot.title)
        axes.set_xlim(0, 1.3 * max(point.cost for point in plot.points))  # names stand right of their points
        axes.margins(y=0.2)
        axes.grid(alpha=0.3)
        picture = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(picture, format=kind, dpi=DOTS_AN_INCH, metadata=metadata)
    return picture.getvalue()
