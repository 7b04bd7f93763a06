"""HTML: what of a page is text, and where its sections begin."""

import pytest
from triton_rag_export.corpus.html import declared_encoding, html_sections

PAGE = """<!doctype html><html><head><title> The
page </title><style>p {color: red}</style></head><body>
<nav>Home | About</nav><p>Intro with <b>bold</b> and <a href="x">a link</a>.</p>
<!-- a comment --><script>alert("no")</script>
<h1>First <em>part</em></h1><p>One &amp; two.</p><ul><li>alpha</li><li>beta</li></ul>
<h2>Code</h2><pre>if x:
    return  1</pre></body></html>"""


def test_sections_follow_the_headings_and_keep_the_text() -> None:
    title, sections = html_sections(PAGE)
    assert title == "The page"
    assert [section.heading for section in sections] == ["", "First part", "Code"]
    assert sections[0].text == "Intro with bold and a link."
    assert "One & two." in sections[1].text
    assert sections[1].text.endswith("alpha\n\nbeta")
    assert sections[2].text == "if x:\n    return  1"


def test_navigation_scripts_styles_and_comments_are_left_out() -> None:
    text = "".join(section.text for section in html_sections(PAGE)[1])
    assert not any(word in text for word in ("Home", "alert", "color", "comment"))


def test_broken_html_gives_its_text() -> None:
    assert html_sections("<p>one<div>two</p></span>three")[1][0].text.split() == ["one", "two", "three"]


def test_a_page_without_title_is_named_by_its_only_top_heading() -> None:
    assert html_sections("<h2>Name</h2>text<h3>Part</h3>text")[0] == "Name"
    assert html_sections("<h2>One</h2>text<h2>Two</h2>text")[0] == ""


@pytest.mark.parametrize(
    "page",
    [
        "<html><head><title>T</title><body><p>the text</p></body></html>",
        "<body><form action=x><div>the text</div></form></body>",
        "<h1>T</h1><form><p>the text</form>",
    ],
)
def test_pages_without_an_end_of_the_head_or_inside_a_form_give_their_text(page: str) -> None:
    title, sections = html_sections(page)
    assert sections[-1].text == "the text"
    assert title in ("T", "")


@pytest.mark.parametrize("tag", ["<p>", "<li>", "<div>", "<b>"])
def test_thousands_of_elements_that_are_not_closed_are_read(tag: str) -> None:
    (section,) = html_sections(f"{tag}word " * 5000)[1]
    assert section.text.split() == ["word"] * 5000


def test_a_heading_that_is_not_closed_ends_where_a_block_begins() -> None:
    sections = html_sections("<h2>Name<p>one</p><h2><div>Other</div></h2><p>two")[1]
    assert [(section.heading, section.text) for section in sections[1:]] == [
        ("Name", "one"),
        ("Other", "two"),
    ]


def test_the_declared_encoding_is_found() -> None:
    assert declared_encoding(b'<meta charset="koi8-r">') == "koi8-r"
    assert declared_encoding(b"<p>") == "utf-8"


@pytest.mark.parametrize("name", ["iso-8859-1", "latin1", "us-ascii"])
def test_an_encoding_is_read_as_browsers_read_it(name: str) -> None:
    encoding = declared_encoding(f'<meta charset="{name}">'.encode())
    assert b"\x80 5 \x96 6".decode(encoding) == "\u20ac 5 \u2013 6"
