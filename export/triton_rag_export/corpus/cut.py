"""Cut documents into passages of the encoder's own tokens.

The encoder reads a fixed number of tokens and drops the rest, so the cut counts what it counts. A piece ends
at the best place in the last third of its window (end of paragraph, then of sentence or line, then of word),
and the next one begins some tokens earlier, so that a fact at a border is whole in one of the two. Characters
that make no token go with the piece before them: apart from white space at the edges, nothing is lost.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from triton_rag_export.corpus.document import Document, Passage

_BATCH = 64
"""Documents that are tokenized in one call."""

LEAST_TOKENS = 16
"""A title may take the encoder's room up to this rest; what is longer then is cut by the encoder."""

_SENTENCE_ENDS = frozenset(".!?…。！？؟।")
_WORD, _SENTENCE, _PARAGRAPH = 1, 2, 3


def whole_passages(documents: Iterable[Document]) -> list[Passage]:
    """Each document as one passage, its id unchanged."""
    return [_passage(document, document.id, 0, len(document.text)) for document in documents]


def cut_passages(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    *,
    passage_tokens: int,
    overlap_tokens: int,
    read_tokens: int | None = None,
) -> list[Passage]:
    """Cut documents into passages.

    Args:
        documents: in the order the passages shall have.
        tokenizer: the encoder's; its truncation, padding and special tokens play no part.
        passage_tokens: longest passage, without the special tokens around it.
        overlap_tokens: the most tokens that two neighbouring passages share; less than `passage_tokens`.
        read_tokens: as many as the encoder reads of title and passage together: passages below a long title
            are shorter, but not below `LEAST_TOKENS`; None sets no such limit.

    Returns:
        The passages, document by document. Each non-blank character of a document lies in one at least.

    Raises:
        ValueError: `overlap_tokens` is not from 0 to `passage_tokens - 1`.
    """
    if not 0 <= overlap_tokens < passage_tokens:
        raise ValueError(f"overlap_tokens = {overlap_tokens}: allowed are 0 to {passage_tokens - 1}")
    counter = _counting(tokenizer)
    passages: list[Passage] = []
    for batch in _batches(documents, _BATCH):
        encodings = counter.encode_batch([document.text for document in batch], add_special_tokens=False)
        for document, encoding in zip(batch, encodings, strict=True):
            words = _Words.of(document.text, encoding.offsets)
            longest = _room(document.title, counter, passage_tokens, read_tokens)
            pieces = _pieces(words, counter, longest, min(overlap_tokens, longest - 1))
            spans = _distinct(_trimmed(document.text, start, end) for start, end in pieces)
            for number, (start, end) in enumerate(spans, start=1):
                passage_id = document.id if len(spans) == 1 else f"{document.id}#{number}"
                passages.append(_passage(document, passage_id, start, end))
    return passages


@dataclass(frozen=True, slots=True)
class _Words:
    """A text's tokens, and how good a place before each of them is to cut.

    Attributes:
        text: the document's.
        starts: first character of each token, and as last entry the text's length.
        ranks: 0 inside a word, else `_WORD`, `_SENTENCE` or `_PARAGRAPH`, for the place before each token.
    """

    text: str
    starts: tuple[int, ...]
    ranks: tuple[int, ...]

    @classmethod
    def of(cls, text: str, offsets: Sequence[tuple[int, int]]) -> "_Words":
        starts = [
            0 if number == 0 else _after_space(text, start, end)
            for number, (start, end) in enumerate(offsets)
        ]
        return cls(text, (*starts, len(text)), tuple(_rank(text, start) for start in (*starts, len(text))))

    @property
    def count(self) -> int:
        return len(self.starts) - 1


def _room(title: str, counter: Tokenizer, passage_tokens: int, read_tokens: int | None) -> int:
    """The longest passage below a title."""
    if read_tokens is None or not title:
        return passage_tokens
    room = read_tokens - len(counter.encode(f"{title}\n", add_special_tokens=False))
    return min(passage_tokens, max(LEAST_TOKENS, room))


def _pieces(
    words: _Words, counter: Tokenizer, passage_tokens: int, overlap_tokens: int
) -> Iterator[tuple[int, int]]:
    """Start and end of each piece in the text."""
    if words.count <= passage_tokens:
        yield 0, len(words.text)
        return
    first, done = 0, 0  # the piece's first token; tokens that earlier pieces hold
    while done < words.count:
        last = _fitting_end(words, counter, first, passage_tokens)
        if last <= done:  # the overlap leaves no room for anything new
            first = done
            continue
        yield words.starts[first], words.starts[last]
        done = last
        first = _next_start(words, first, last, overlap_tokens)


def _fitting_end(words: _Words, counter: Tokenizer, first: int, limit: int) -> int:
    """The token before which a piece ends that has at most `limit` tokens when it stands alone.

    Where a word had to be cut, its parts can make more tokens than the whole did.
    """
    last = _best_end(words, first, limit)
    while last > first + 1:
        start, end = _trimmed(words.text, words.starts[first], words.starts[last])
        excess = len(counter.encode(words.text[start:end], add_special_tokens=False)) - limit
        if excess <= 0:
            break
        last = _best_end(words, first, max(1, last - first - excess))
    return last


def _best_end(words: _Words, first: int, limit: int) -> int:
    """The last place of the highest rank in the window's last third; without any, in its last half."""
    furthest = first + limit
    if furthest >= words.count:
        return words.count
    for reach in (limit // 3, limit // 2):
        places = range(furthest, furthest - reach - 1, -1)
        best = max(places, key=words.ranks.__getitem__)  # the first of equals: the last in the text
        if words.ranks[best]:
            return best
    return furthest


def _next_start(words: _Words, first: int, last: int, overlap_tokens: int) -> int:
    """Where the next piece begins: at the earliest start of a sentence in the overlap, else of a word."""
    places = range(max(first + 1, last - overlap_tokens), last)
    for rank in (_SENTENCE, _WORD, 0):
        for place in places:
            if words.ranks[place] >= rank:
                return place
    return last


def _after_space(text: str, start: int, end: int) -> int:
    """Where a token's own characters begin: SentencePiece counts the space before a word as a part of it."""
    while start < end and text[start].isspace():
        start += 1
    return start


def _rank(text: str, start: int) -> int:
    """How good a place before the character `start` is to cut."""
    gap = start
    while gap > 0 and text[gap - 1].isspace():
        gap -= 1
    between = text[gap:start]
    if start >= len(text) or between.count("\n") > 1:
        return _PARAGRAPH
    if "\n" in between or (
        gap > 0 and text[gap - 1] in _SENTENCE_ENDS and (between or ord(text[gap - 1]) > 0x2FF)
    ):
        return _SENTENCE
    return _WORD if between else 0


def _distinct(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without empty spans and those inside another, which pieces can become when white space is trimmed."""
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if start == end or (kept and end <= kept[-1][1]):
            continue
        if kept and start == kept[-1][0]:
            kept.pop()
        kept.append((start, end))
    return kept


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _counting(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that only counts: nothing truncated or padded, and markup inside a text is plain text."""
    counter = Tokenizer.from_str(tokenizer.to_str())
    counter.no_truncation()
    counter.no_padding()
    counter.encode_special_tokens = True
    return counter


def _passage(document: Document, passage_id: str, start: int, end: int) -> Passage:
    return Passage(
        passage_id, document.id, document.title, document.text[start:end], document.source, start, end
    )


def _batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    batch: list[Document] = []
    for document in documents:
        batch.append(document)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
