"""HTML to sections: headings split, scripts and navigation go, blocks become lines, `pre` keeps spaces.

Pages are seldom well formed: a head that is not closed holds the whole page, a paragraph that is not closed
holds the next one, thousands deep. So only what never is text is dropped, a heading ends where a block
begins, and the tree is walked with a stack of its own.
"""

import codecs
import re
from dataclasses import dataclass, field
from enum import Enum, auto

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import NavigableString, PageElement, PreformattedString, Tag

from triton_rag_export.corpus.sections import Section, outline_title

_DROPPED = frozenset(
    {"script", "style", "noscript", "template", "nav", "svg", "iframe", "button", "select", "title"}
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
# fmt: off
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "li", "main", "ol", "p", "pre",
    "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
})
_MEANT_ENCODINGS = {
    "ascii": "windows-1252", "iso8859-1": "windows-1252",
    "iso8859-9": "windows-1254",
    "iso8859-11": "windows-874", "tis-620": "windows-874", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949", "utf-16": "utf-8", "utf-16-le": "utf-8", "utf-16-be": "utf-8",
}
"""What pages that declare an encoding mean (https://encoding.spec.whatwg.org), in Python's names."""
# fmt: on


def declared_encoding(raw: bytes) -> str:
    """The encoding that an HTML file declares, as browsers read the name; UTF-8 where it declares none."""
    declared = EncodingDetector.find_declared_encoding(raw, is_html=True) or "utf-8"
    try:
        return _MEANT_ENCODINGS.get(codecs.lookup(declared).name, declared)
    except LookupError:
        return declared  # unknown: who decodes says so


def html_sections(text: str) -> tuple[str, list[Section]]:
    """An HTML text's title and sections.

    Returns:
        The title (`title`, else the only heading of the highest level, else "") and the sections.
    """
    soup = BeautifulSoup(text, "html.parser")
    gathered = _Gathered()
    _gather(soup, gathered)
    gathered.close()
    title = _one_line(soup.title.get_text()) if soup.title else ""
    return title or outline_title(gathered.sections), gathered.sections


@dataclass(slots=True)
class _Gathered:
    """What the walk has met so far."""

    sections: list[Section] = field(default_factory=list)
    heading: list[str] = field(default_factory=list)
    level: int = 0
    in_heading: bool = False
    pieces: list[str] = field(default_factory=list)

    def close(self, next_level: int = 0) -> None:
        """End the current section; a heading of `next_level` begins."""
        text = re.sub(r" *\n *\n\s*\n*", "\n\n", "".join(self.pieces)).strip()
        self.sections.append(Section(_one_line("".join(self.heading)), text, self.level))
        self.heading, self.pieces = [], []
        self.level, self.in_heading = next_level, next_level > 0

    def add(self, text: str) -> None:
        """Text of the heading, while it lasts, else of the section."""
        (self.heading if self.in_heading else self.pieces).append(text)

    def break_line(self, block: str) -> None:
        """A block begins: it ends a heading that was not closed."""
        if self.in_heading and (block == "br" or not "".join(self.heading).strip()):
            self.heading.append(" ")
            return
        self.in_heading = False
        self.pieces.append("\n\n" if block == "p" else "\n")


class _End(Enum):
    """What ends where the walk has left an element."""

    BLOCK = auto()
    HEADING = auto()


def _gather(root: Tag, gathered: _Gathered) -> None:
    waiting: list[tuple[PageElement | _End, bool]] = [(root, False)]
    while waiting:
        node, preformatted = waiting.pop()
        if node is _End.HEADING:
            gathered.in_heading = False
        elif node is _End.BLOCK:
            gathered.add("\n")
        elif isinstance(node, NavigableString):
            if not isinstance(node, PreformattedString):  # those are comments, declarations and the like
                gathered.add(str(node) if preformatted else re.sub(r"\s+", " ", str(node)))
        elif isinstance(node, Tag) and node.name not in _DROPPED:
            if node.name in _HEADINGS:
                gathered.close(_HEADINGS[node.name])
                waiting.append((_End.HEADING, False))
            elif node.name in _BLOCKS:
                gathered.break_line(node.name)
                waiting.append((_End.BLOCK, False))
            inside = preformatted or node.name == "pre"
            waiting += [(child, inside) for child in reversed(node.contents)]


def _one_line(text: str) -> str:
    return " ".join(text.split())
