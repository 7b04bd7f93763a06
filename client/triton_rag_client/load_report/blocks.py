"""What sections are made of, the same for HTML and Markdown."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Block", "Code", "Panel", "Plot", "Quote", "Section", "Series", "Table", "Words"]


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """Text that a model wrote."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A command."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the first row is the heading, the first column names the rows.

    Attributes:
        caption: What it shows.
        rows: All of the same length.
    """

    caption: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one set of bars, of a plot.

    Attributes:
        name: In the legend.
        x: Values along the axis below; of `bars` where each begins.
        y: As many values beside it; of `bars` how long each is.
        labels: Of each point; empty without.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A pair of axes; panels of a plot stand below each other.

    Attributes:
        x_label: Of the axis below.
        y_label: Of the axis beside it.
        series: What is drawn.
        kind: `points` joined by lines; `steps`; `percentiles`, whose axis below widens towards 100%; `bars`
            lying one below the other, the series of one row behind each other.
    """

    x_label: str
    y_label: str
    series: tuple[Series, ...]
    kind: Literal["points", "steps", "percentiles", "bars"] = "points"


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture and the same in words.

    Attributes:
        name: For files.
        title: Above it.
        alternative: What it shows, with the figures.
        panels: One or more.
    """

    name: str
    title: str
    alternative: str
    panels: tuple[Panel, ...]


Block: TypeAlias = Words | Quote | Code | Table | Plot


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report."""

    title: str
    blocks: tuple[Block, ...]
