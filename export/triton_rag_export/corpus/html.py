"""HTML to sections: headings split, scripts and navigation go, blocks become lines, `pre` keeps spaces."""

import re
from dataclasses import dataclass, field

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import NavigableString, PreformattedString, Tag

from triton_rag_export.corpus.sections import Section

_DROPPED = frozenset(
    {"script", "style", "noscript", "template", "nav", "svg", "iframe", "form", "button", "head", "title"}
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
# fmt: off
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "header", "hr", "li", "main", "ol", "p", "pre", "section",
    "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
})
# fmt: on


def declared_encoding(raw: bytes) -> str:
    """The encoding that an HTML file declares, UTF-8 where it declares none."""
    return EncodingDetector.find_declared_encoding(raw, is_html=True) or "utf-8"


def html_sections(text: str) -> tuple[str, list[Section]]:
    """An HTML text's title and sections.

    Returns:
        The title (`title`, else the first heading, else "") and the sections.
    """
    soup = BeautifulSoup(text, "html.parser")
    gathered = _Gathered()
    _gather(soup, gathered, preformatted=False)
    gathered.close()
    title = _one_line(soup.title.get_text()) if soup.title else ""
    first_heading = next((section.heading for section in gathered.sections if section.heading), "")
    return title or first_heading, gathered.sections


@dataclass(slots=True)
class _Gathered:
    """What the walk has met so far."""

    sections: list[Section] = field(default_factory=list)
    heading: str = ""
    pieces: list[str] = field(default_factory=list)

    def close(self) -> None:
        """End the current section."""
        text = re.sub(r" *\n *\n\s*\n*", "\n\n", "".join(self.pieces)).strip()
        self.sections.append(Section(self.heading, text))
        self.heading, self.pieces = "", []


def _gather(node: Tag, gathered: _Gathered, *, preformatted: bool) -> None:
    for child in node.children:
        if isinstance(child, PreformattedString):
            continue  # comments, declarations and the like
        if isinstance(child, NavigableString):
            gathered.pieces.append(str(child) if preformatted else re.sub(r"\s+", " ", str(child)))
        elif isinstance(child, Tag) and child.name not in _DROPPED:
            if child.name in _HEADINGS:
                gathered.close()
                gathered.heading = _one_line(child.get_text(" "))
                continue
            break_line = child.name in _BLOCKS
            if break_line:
                gathered.pieces.append("\n\n" if child.name == "p" else "\n")
            _gather(child, gathered, preformatted=preformatted or child.name == "pre")
            if break_line:
                gathered.pieces.append("\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())
