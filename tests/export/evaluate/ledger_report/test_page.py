"""The report: a page that needs nothing else, plots beside it, a table, and an exit code."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer
from export.evaluate.ledger.rows import ORIGINAL, step_after
from triton_rag_export import commands
from triton_rag_export.evaluate.ledger import append_row
from triton_rag_export.evaluate.ledger.row import Failure


class Tags(HTMLParser):
    """What a page holds."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def ledger(folder: Path, *failures: Failure) -> Path:
    path = folder / "small.ledger.jsonl"
    append_row(path, ORIGINAL)
    append_row(path, step_after(failures=failures, notes=("<b>bold</b> & co",)))
    return path


def test_the_page_loads_nothing_and_every_picture_has_words(tmp_path: Path) -> None:
    commands.report(ledger(tmp_path), tmp_path / "report")
    tags = Tags((tmp_path / "report" / "index.html").read_text(encoding="utf-8")).tags
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    assert len(pictures) == 2
    assert all((picture["src"] or "").startswith("data:image/svg+xml;base64,") for picture in pictures)
    assert all("Pareto front" in (picture["alt"] or "") for picture in pictures)
    assert not [tag for tag, attributes in tags if tag in ("script", "link") or "href" in attributes]
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags


def test_what_a_row_says_is_text_and_no_markup(tmp_path: Path) -> None:
    commands.report(ledger(tmp_path), tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; co" in page


def test_plots_lie_beside_the_page(tmp_path: Path) -> None:
    path = ledger(tmp_path)
    commands.report(path)
    names = {file.name for file in path.with_name("small.ledger.jsonl.report").iterdir()}
    assert names == {
        "index.html",
        "small-encoder-medquad-latency.png",
        "small-encoder-medquad-bytes.png",
    }


def test_the_terminal_shows_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands.report(ledger(tmp_path), tmp_path / "report")
    shown = capsys.readouterr().out
    assert "small: encoder" in shown
    assert "index.html and 2 plots" in shown


def test_a_gate_that_was_not_passed_is_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ledger(tmp_path, Failure("MRR on medquad", "MRR on medquad is 10.0% less; missed by 5.0%"))
    with pytest.raises(typer.Exit) as leaving:
        commands.report(path, tmp_path / "report")
    assert leaving.value.exit_code == 1
    assert "missed by 5.0%" in capsys.readouterr().out.replace("\n", " ")
    assert 'class="failed"' in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
