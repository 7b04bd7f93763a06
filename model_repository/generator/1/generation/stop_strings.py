"""Ends a streamed text before the first of several stop strings, whatever pieces the text arrives in.

Text that could still turn out to be the beginning of a stop string is held back until that is certain. The
stop string that is complete first wins; of several complete at the same character, the longest.
"""

from collections.abc import Sequence


class StopStrings:
    """A filter over one text.

    Args:
        strings: the stop strings, none of them empty.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = tuple(strings)
        self._held = ""
        self.found = False

    def feed(self, text: str) -> str:
        """Take the next piece of text and give what is certain to stay; `found` says whether to end here."""
        if not self._strings or self.found:
            return "" if self.found else text
        self._held += text
        start = self._first_match()
        if start is not None:
            self.found = True
        keep = len(self._held) - self._possible_beginning() if start is None else start
        certain, self._held = self._held[:keep], self._held[keep:]
        return certain

    def flush(self) -> str:
        """What is held back, once it is known that nothing follows; nothing after a stop string was found."""
        rest, self._held = self._held, ""
        return "" if self.found else rest

    def _first_match(self) -> int | None:
        """Where the stop string that ends first begins."""
        ends = [
            (start + len(string), start)
            for string in self._strings
            if (start := self._held.find(string)) >= 0
        ]
        return min(ends)[1] if ends else None

    def _possible_beginning(self) -> int:
        """The length of the longest end of the held text that some stop string begins with."""
        longest = 0
        for string in self._strings:
            for length in range(min(len(string) - 1, len(self._held)), longest, -1):
                if self._held.endswith(string[:length]):
                    longest = length
                    break
        return longest
