"""A page of HTML as a reader of screens takes it: headings, tables, pictures, and what the page loads."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Page", "read_page"]

_VOID = {"meta", "link", "img", "br"}


@dataclass
class Page:
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)  # title to its text
    unclosed: list[str] = field(default_factory=list)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.page.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.page.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.page.unclosed and self.page.unclosed[-1] in ("h1", "h2"):
            self.page.headings.append(data)
        elif self.page.headings:
            title = self.page.headings[-1]
            self.page.sections[title] = self.page.sections.get(title, "") + data


def read_page(text: str) -> Page:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.page
