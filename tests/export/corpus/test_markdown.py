"""Markdown: which lines are headings and which only look like it."""

from triton_rag_export.corpus.markdown import markdown_sections
from triton_rag_export.corpus.sections import Section


def test_headings_of_both_kinds_split_a_text() -> None:
    text = "Intro\n\n# First #\none\n\nSecond\n------\ntwo\n\nThird\n===\nthree"
    assert markdown_sections(text) == (
        "",
        [
            Section("", "Intro\n", 0),
            Section("First", "one\n", 1),
            Section("Second", "two\n", 2),
            Section("Third", "three", 1),
        ],
    )


def test_the_only_heading_of_the_highest_level_is_the_title() -> None:
    assert markdown_sections("## First\none\n# Name\ntwo\n## Second\nthree")[0] == "Name"
    assert markdown_sections("# Name\none\n# Other\ntwo")[0] == ""


def test_code_lists_rules_and_tables_are_not_headings() -> None:
    code = "```python\n# a comment\n```\n~~~\n## more\n~~~\n"
    text = f"# Title\n{code}- item\n---\n\n| a |\n---\n\n---\n    # code\n#hashtag"
    title, sections = markdown_sections(text)
    assert title == "Title"
    assert [section.heading for section in sections] == ["", "Title"]
    assert "# a comment" in sections[1].text


def test_front_matter_gives_the_title_and_is_not_text() -> None:
    title, sections = markdown_sections('---\ntitle: "Named"\ndate: 2024\n---\n# Heading\ntext\n')
    assert title == "Named"
    assert "2024" not in "".join(section.text for section in sections)


def test_text_without_headings_is_one_section() -> None:
    assert markdown_sections("just text") == ("", [Section("", "just text")])
