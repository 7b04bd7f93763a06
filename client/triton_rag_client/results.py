"""What the client's methods return: frozen values, the same over gRPC and HTTP."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Answer", "Delta", "Passage", "ServerMetadata", "TokenLogprob"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that was found for a query.

    Attributes:
        id: Its id in the index.
        title: Title of the document it was cut from.
        source: Where the document comes from: a path, an address, a name.
        text: The passage itself.
        score: Higher is better; comparable only within one query and one retriever (cosine for dense,
            BM25 score for bm25, reciprocal rank fusion for hybrid).
    """

    id: str
    title: str
    source: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of an answer, and how probable the model found it.

    Attributes:
        token_id: The token.
        logprob: The natural logarithm of its probability by the model's own scores, before
            `repetition_penalty`, `min_tokens`, `temperature`, `top_k` and `top_p` change them; 0 is certain.
    """

    token_id: int
    logprob: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        text: The answer; it can cite its passages as `[1]`, `[2]` …, in the order of `passages`.
        passages: What was found, best first.
        passages_used: How many of them, from the first, fitted into the prompt; the others were dropped.
        finish_reason: `stop` (the model ended, or a stop string came) or `length` (max_tokens reached).
        prompt_tokens: Tokens of the prompt.
        answer_tokens: Tokens of the answer.
        logprobs: Of each of these tokens, where `logprobs` was asked for; else empty.
    """

    text: str
    passages: tuple[Passage, ...]
    passages_used: int
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a streamed answer.

    Attributes:
        text: Text since the delta before; may be empty.
        passages: What was found, best first: in the first delta only, later ones have none.
        passages_used: How many of them, from the first, fitted into the prompt.
        finish_reason: None until the last delta; then `stop` or `length`.
        prompt_tokens: Tokens of the prompt.
        answer_tokens: Tokens of the answer so far.
        logprobs: Of each token since the delta before, where `logprobs` was asked for; else empty. The text
            of a token may come in a later delta.
    """

    text: str
    passages: tuple[Passage, ...]
    passages_used: int
    finish_reason: str | None
    prompt_tokens: int
    answer_tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """What a server says of itself.

    Attributes:
        name: `triton`.
        version: Version of the server, such as `2.51.0`.
        extensions: The protocol extensions it knows.
    """

    name: str
    version: str
    extensions: tuple[str, ...]
