"""Links and paths in the documentation lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "tests" / "data" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = ("client", "docker", "docs", "export", "model_repository", "recipes", "server", "tests")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_of_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [page.parent / target for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./*-]*)`", text)
    missing = [str(path) for path in links if not path.exists()]
    missing += [path for path in named if not any(ROOT.glob(path.rstrip("/")))]
    assert not missing
