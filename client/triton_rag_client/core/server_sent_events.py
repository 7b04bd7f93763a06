"""Server-sent events, read piece by piece as they come.

After the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream": UTF-8 with an optional byte
order mark; lines end in CR, LF or CRLF; fields are joined by line feeds; an empty line ends an event; an
event that the stream's end cuts off is thrown away. Pieces may break anywhere, also inside a character.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from triton_rag_client.errors import ProtocolError

__all__ = ["EventReader"]

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class EventReader:
    """Turns pieces of an event stream into the data of its events."""

    __slots__ = ("_after_cr", "_data", "_decoder", "_is_first", "_rest")

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""
        self._data: list[str] = []
        self._is_first = True
        self._after_cr = False

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that this piece completes.

        Raises:
            ProtocolError: The stream is not UTF-8.
        """
        try:
            text = self._decoder.decode(piece)
        except UnicodeDecodeError as error:
            raise ProtocolError(
                f"the event stream is not UTF-8 ({error}); something on the way here changes replies"
            ) from error
        return [data for line in self._lines(text) if (data := self._line(line)) is not None]

    def _lines(self, text: str) -> list[str]:
        if not text:
            return []
        if self._is_first:
            self._is_first = False
            text = text.removeprefix("\ufeff")
        if self._after_cr:  # the CR ended its line already: a line feed after it is its second half
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        *lines, self._rest = _LINE_END.split(self._rest + text)
        return lines

    def _line(self, line: str) -> str | None:
        if not line:
            data, self._data = self._data, []
            return "\n".join(data) if data else None
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        return None
