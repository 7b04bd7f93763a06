from pathlib import Path

from triton_rag_client.help_document import help_document

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def test_the_page_of_the_command_line_says_what_the_program_says():
    assert PAGE.read_text(encoding="utf-8") == help_document(), (
        "make it again: python -m triton_rag_client.help_document > docs/cli.md"
    )
