import dataclasses
import importlib.util
import re
from pathlib import Path

import pytest
from page_reader import Page, read_page
from triton_rag_client.errors import ClientSetupError
from triton_rag_client.load.results import AskedQuestion, LoadTestResults, read_results
from triton_rag_client.load.server_facts import ServerFacts
from triton_rag_client.load_report import require_report_packages, write_report
from triton_rag_server.missing_packages import install_command

HOSTILE = "<script>alert(1)</script>|`$x$`[a](http://evil.example/)\"'"
SECTIONS = [
    "Summary",
    "Latency against throughput",
    "Latency histogram",
    "Where the time goes",
    "The run over time",
    "Configuration",
    "Versions",
    "Machine",
]


@pytest.fixture(scope="module")
def folder(results: LoadTestResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "new"
    write_report(results, folder)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return read_page((folder / "report.html").read_text(encoding="utf-8"))


def test_every_section_of_a_real_run_is_filled(page: Page) -> None:
    assert page.headings == ["Load test", *SECTIONS]
    for title in SECTIONS:
        assert len(page.sections[title].split()) >= 10, title
        assert not re.search(r"\bnan\b|None|not asked", page.sections[title]), title
    assert page.unclosed == []


def test_figures_of_the_results_stand_on_the_page(page: Page, results: LoadTestResults) -> None:
    for level in results.levels:
        assert f"{level.summary.requests_per_s:.2f}" in page.sections["Latency against throughput"]
        assert f"{level.stage_shares['generator']:.1%}" in page.sections["Where the time goes"]
    assert results.server.version in page.sections["Versions"]
    assert set(results.server.models) >= {"rag_stream", "generator"}
    assert all(f"model {name}" in page.sections["Versions"] for name in results.server.models)
    assert results.generator_machine.processor in page.sections["Machine"]
    assert "same machine" in page.sections["Machine"]


def test_nothing_is_loaded_from_elsewhere_and_no_script_is_needed(page: Page) -> None:
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "object", "embed", "base", "form"}
    loaded = [found for _, given in page.tags for key in ("src", "href") if (found := given.get(key))]
    assert all(address.startswith(("data:", "#")) for address in loaded)


def test_a_reader_of_screens_finds_its_way(page: Page, results: LoadTestResults) -> None:
    (html,) = page.all("html")
    assert html["lang"] == "en"
    pictures = page.all("img")
    assert len(pictures) == 2 + 2 * len(results.levels)
    for picture in pictures:
        assert re.search(r"\d", picture["alt"]), "the alternative has the figures"
    assert all(heading["scope"] in ("col", "row") for heading in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) > 0
    assert {link["href"] for link in page.all("a")} == {f"#{given['id']}" for given in page.all("h2")}
    assert "width=device-width" in next(m["content"] for m in page.all("meta") if m.get("name") == "viewport")


def test_hostile_names_and_questions_stay_text(results: LoadTestResults, tmp_path: Path) -> None:
    asked = AskedQuestion(HOSTILE, HOSTILE, (HOSTILE,), 0.1, 0.2)
    level = results.levels[0]
    stages = {HOSTILE: next(iter(level.stage_times.values()))}
    hostile = dataclasses.replace(
        results,
        command=f"```\n{HOSTILE}",
        levels=(dataclasses.replace(level, stage_times=stages, stage_shares={HOSTILE: 1.0}),),
        server=ServerFacts(HOSTILE, HOSTILE, {HOSTILE: HOSTILE}),
        asked=(asked,),
    )
    write_report(hostile, tmp_path, HOSTILE)
    page = read_page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.all("script") == []
    assert page.headings[0] == HOSTILE
    assert HOSTILE in page.sections["Questions"]
    assert f"model {HOSTILE}" in page.sections["Versions"]
    assert page.unclosed == []
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script>" not in markdown.replace(f"````\n```\n{HOSTILE}\n````", "")
    assert r"\[a\](http" in markdown
    for line in markdown.splitlines():
        if line.startswith("| model"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 3


def test_the_markdown_has_every_section_and_its_plots_lie_beside_it(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    pictures = re.findall(r"^!\[[^]]+\]\(([^)]+)\)\n\n\S", text, re.MULTILINE)
    assert sorted(pictures) == sorted(path.name for path in folder.glob("*.svg"))


def test_results_are_read_as_they_were_written(folder: Path, results: LoadTestResults) -> None:
    write_report(read_results(folder / "results.json"), folder)
    assert repr(read_results(folder / "results.json")) == repr(results)


def test_a_run_without_answers_says_so_in_each_section(results: LoadTestResults, tmp_path: Path) -> None:
    page = write_report(dataclasses.replace(results, levels=(), server=ServerFacts()), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "No level of load was completed" in text
    assert "<img" not in text


def test_a_folder_that_cannot_be_written_is_named(results: LoadTestResults, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClientSetupError, match=r"file.* cannot be written"):
        write_report(results, tmp_path / "file")


def test_results_of_another_kind_are_refused_with_the_place(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text('{"created": 3}')
    with pytest.raises(ClientSetupError, match=r"results\.json .*LoadTestResults\.created is 3"):
        read_results(file)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClientSetupError) as caught:
        require_report_packages()
    assert str(caught.value) == f"a report needs jinja2 and matplotlib: {install_command('report')}"
