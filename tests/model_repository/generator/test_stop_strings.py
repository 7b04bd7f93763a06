from generation.stop_strings import StopStrings
from hypothesis import given
from hypothesis import strategies as st

# Few letters make many overlaps.
texts = st.lists(st.text("abc", max_size=5), max_size=12)
strings = st.lists(st.text("abc", min_size=1, max_size=4), max_size=3)


def streamed(pieces: list[str], stop: list[str]) -> tuple[str, bool]:
    stop_strings = StopStrings(stop)
    given_out = [stop_strings.feed(piece) for piece in pieces]
    return "".join(given_out) + stop_strings.flush(), stop_strings.found


def ended(text: str, stop: list[str]) -> tuple[str, bool]:
    """The definition, a character at a time: the longest stop string that is complete first."""
    for end in range(len(text) + 1):
        complete = [string for string in stop if text[:end].endswith(string)]
        if complete:
            return text[: end - max(map(len, complete))], True
    return text, False


@given(pieces=texts, stop=strings)
def test_text_ends_at_the_same_character_whatever_pieces_it_comes_in(
    pieces: list[str], stop: list[str]
) -> None:
    assert streamed(pieces, stop) == ended("".join(pieces), stop)


@given(pieces=texts, stop=strings)
def test_nothing_is_held_back_that_cannot_become_a_stop_string(pieces: list[str], stop: list[str]) -> None:
    stop_strings = StopStrings(stop)
    text = given_out = ""
    for piece in pieces:
        text += piece
        given_out += stop_strings.feed(piece)
        if stop_strings.found:
            return
        held = text[len(given_out) :]
        assert not held or any(string.startswith(held) for string in stop)


def test_a_stop_string_over_several_pieces_is_found_and_not_given_out() -> None:
    stop_strings = StopStrings(["\nUser:"])
    assert [stop_strings.feed(piece) for piece in ("Yes.", "\nUs", "er", ": next")] == ["Yes.", "", "", ""]
    assert stop_strings.found
    assert stop_strings.flush() == ""


def test_what_only_looked_like_a_stop_string_is_given_out_later() -> None:
    stop_strings = StopStrings(["\n\n"])
    assert [stop_strings.feed(piece) for piece in ("a\n", "b", "\n")] == ["a", "\nb", ""]
    assert stop_strings.flush() == "\n"
