"""Repetitions: the first stays, and the others' ids lead to it."""

from triton_rag_export.corpus import Passage, without_duplicates


def passage(number: int, text: str, title: str = "Title") -> Passage:
    return Passage(f"p{number}", f"p{number}", title, text, "source", 0, len(text))


def test_the_first_of_equal_passages_stays_and_stands_for_the_others() -> None:
    unique = without_duplicates(
        [passage(1, "Sort a list."), passage(2, "Other."), passage(3, "Sort a list.")]
    )
    assert [kept.id for kept in unique.passages] == ["p1", "p2"]
    assert unique.kept_ids == {"p3": "p1"}


def test_case_spacing_and_letter_width_make_no_difference() -> None:
    texts = ["Sort a  list.\n", "sort A list.", "Ｓｏｒｔ a list."]
    assert len(without_duplicates([passage(n, text) for n, text in enumerate(texts)]).passages) == 1


def test_the_same_text_under_another_title_is_another_passage() -> None:
    unique = without_duplicates(
        [passage(1, "Return the length.", "str"), passage(2, "Return the length.", "list")]
    )
    assert len(unique.passages) == 2
