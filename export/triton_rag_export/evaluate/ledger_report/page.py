"""One page of HTML that needs nothing else: tables, plots in it, and each plot as a PNG beside it."""

import base64
from importlib import resources
from pathlib import Path

from triton_rag_export.errors import LedgerError
from triton_rag_export.evaluate.ledger_report.plots import Plot, draw, plots_of
from triton_rag_export.evaluate.ledger_report.state import LedgerState, ModelState
from triton_rag_export.evaluate.ledger_report.table import cells, headings

PAGE_FILE = "index.html"
TEMPLATE_FILE = "page.html.jinja"


def write_report(state: LedgerState, folder: Path, ledger_name: str) -> list[Path]:
    """Write the page and the plots.

    Args:
        state: what to show.
        folder: where to; made if it is missing.
        ledger_name: of the file, for the page's title.

    Returns:
        The files written, the page first.

    Raises:
        LedgerError: the folder cannot be written.
    """
    plots = [plot for model in state.models for plot in plots_of(model)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / PAGE_FILE
        page.write_text(_page(state, ledger_name), encoding="utf-8")
        pictures = [folder / f"{plot.name}.png" for plot in plots]
        for path, plot in zip(pictures, plots, strict=True):
            path.write_bytes(draw(plot, "png"))
    except OSError as error:
        raise LedgerError(f"{folder} cannot be written ({error}): name another folder with --out") from error
    return [page, *pictures]


def _page(state: LedgerState, ledger_name: str) -> str:
    from jinja2 import Environment

    text = resources.files(__package__).joinpath(TEMPLATE_FILE).read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)
    return template.render(
        name=ledger_name,
        rows=state.rows,
        failures=state.failures,
        models=[_model(model) for model in state.models],
    )


def _model(model: ModelState) -> dict[str, object]:
    return {
        "title": model.title,
        "headings": headings(model),
        "rows": [(cells(model, stage), bool(stage.row.failures)) for stage in model.stages],
        "measured": [*(stage.row for stage in model.stages), *model.left],
        "plots": [(plot, _data_url(plot)) for plot in plots_of(model)],
    }


def _data_url(plot: Plot) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(draw(plot, "svg")).decode("ascii")
