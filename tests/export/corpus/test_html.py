"""HTML: what of a page is text, and where its sections begin."""

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


def test_a_page_without_title_is_named_by_its_first_heading() -> None:
    assert html_sections("<h2>Name</h2>text")[0] == "Name"


def test_the_declared_encoding_is_found() -> None:
    assert declared_encoding(b'<meta charset="iso-8859-1">') == "iso-8859-1"
    assert declared_encoding(b"<p>") == "utf-8"
