"""The files of a report: `report.html`, `report.md` with its plots beside it, and `results.json`."""

import base64
import importlib.util
from importlib import resources
from pathlib import Path

from triton_rag_server.missing_packages import install_command

from triton_rag_client.errors import ClientSetupError
from triton_rag_client.load.results import LoadTestResults, write_results
from triton_rag_client.load_report.blocks import Plot, Section
from triton_rag_client.load_report.drawing import draw
from triton_rag_client.load_report.markdown import markdown_page
from triton_rag_client.load_report.sections import report_sections

__all__ = ["require_report_packages", "write_report"]

_TEMPLATE_FILE = "page.html.jinja"


def require_report_packages() -> None:
    """See to it that a run does not end without its report.

    Raises:
        ClientSetupError: The extra `report` is not installed.
    """
    missing = [name for name in ("jinja2", "matplotlib") if importlib.util.find_spec(name) is None]
    if missing:
        raise ClientSetupError(f"a report needs {' and '.join(missing)}: {install_command('report')}")


def write_report(results: LoadTestResults, folder: Path, title: str = "Load test") -> Path:
    """Write all files of a report, and replace those of an earlier one.

    Args:
        results: What to report.
        folder: Where to; made if it is missing.
        title: Of the page.

    Returns:
        The page.

    Raises:
        ClientSetupError: The folder cannot be written, or the extra `report` is not installed.
    """
    require_report_packages()
    sections = report_sections(results)
    pictures = {
        block.name: draw(block) for section in sections for block in section.blocks if isinstance(block, Plot)
    }
    page = folder / "report.html"
    write_results(results, folder / "results.json")
    try:
        page.write_text(_html_page(title, sections, pictures), encoding="utf-8")
        (folder / "report.md").write_text(markdown_page(title, sections), encoding="utf-8")
        for name, picture in pictures.items():
            (folder / f"{name}.svg").write_bytes(picture)
    except OSError as error:
        raise ClientSetupError(f"{folder} cannot be written ({error}); name another folder") from error
    return page


def _html_page(title: str, sections: tuple[Section, ...], pictures: dict[str, bytes]) -> str:
    from jinja2 import Environment

    urls = {
        name: f"data:image/svg+xml;base64,{base64.b64encode(picture).decode('ascii')}"
        for name, picture in pictures.items()
    }
    text = resources.files(__package__).joinpath(_TEMPLATE_FILE).read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)
    template.globals["kind"] = lambda block: type(block).__name__
    return template.render(title=title, sections=sections, urls=urls)
