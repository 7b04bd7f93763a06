from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_client.core.server_sent_events import EventReader
from triton_rag_client.errors import ProtocolError

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
# Any text of one line: characters that str.splitlines would break at, such as U+2028, included.
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12)
EVENTS = st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=4)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(borders)]


def read(pieces: list[bytes]) -> list[str]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@given(EVENTS, LINE_ENDS, st.booleans(), st.lists(st.integers(0, 10_000), max_size=20))
def test_events_come_out_whole_wherever_the_stream_is_cut(events, line_end, has_mark, places):
    lines = [line for event in events for line in (*(f"data: {data}" for data in event), "")]
    stream = ("\ufeff" if has_mark else "") + "".join(line + line_end for line in lines)
    assert read(cut(stream.encode(), places)) == ["\n".join(event) for event in events]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_where_a_stream_is_cut_never_changes_what_is_read(data, places):
    def outcome(pieces: list[bytes]) -> list[str] | None:
        try:
            return read(pieces)
        except ProtocolError:
            return None

    assert outcome(cut(data, places)) == outcome([data])


def test_an_event_comes_out_with_the_byte_that_ends_it():
    reader = EventReader()
    assert reader.feed(b"data: 1\r") == []
    assert reader.feed(b"\r") == ["1"]
    assert reader.feed(b"\ndata: 2\n") == []
    assert reader.feed(b"\n") == ["2"]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (
            b": a comment\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
            ["first", "second", " third"],
        ),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"data:test\n\ndata: test\n\n", ["test", "test"]),
        (b"event: x\nretry: 3\n\n\n\n", []),
        (b"data: cut off\n", []),
    ],
)
def test_the_examples_of_the_standard(stream, events):
    assert read([stream]) == events


def test_a_stream_that_is_not_utf_8_is_told_as_such():
    with pytest.raises(ProtocolError, match="not UTF-8"):
        EventReader().feed(b"data: \xff\n\n")
