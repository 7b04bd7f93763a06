"""From the tensors of a reply to typed results, whatever carried it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from triton_rag_client.core.tensors import decode_tensor
from triton_rag_client.errors import ProtocolError
from triton_rag_client.results import Answer, Delta, Passage, TokenLogprob

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import numpy.typing as npt

    from triton_rag_client.contract import ModelContract
    from triton_rag_client.core.tensors import OutputTensor

__all__ = ["Reply", "answer", "delta", "passage_rows", "read_reply", "row_errors", "vectors"]


@dataclass(frozen=True, slots=True)
class Reply:
    """The outputs of one response, complete and of the contract's types.

    Attributes:
        tensors: Name to elements, batch dimension first.
    """

    tensors: Mapping[str, npt.NDArray[Any]]

    def text(self, name: str) -> str:
        """The only string of an output."""
        return str(self.tensors[name].flat[0])

    def number(self, name: str) -> int:
        """The only number of an output."""
        return int(self.tensors[name].flat[0])


def read_reply(model: ModelContract, rows: int, outputs: Iterable[OutputTensor]) -> Reply:
    """Match outputs with the contract.

    Raises:
        ProtocolError: An output is missing, or has another type, shape or number of rows.
    """
    found = {output.name: output for output in outputs}
    missing = [tensor.name for tensor in model.outputs if tensor.name not in found]
    if missing:
        raise ProtocolError(
            f"the reply of {model.name} lacks {', '.join(missing)}: the server's repository and this client "
            "are of different versions; build it again"
        )
    for tensor in model.outputs:
        shape = found[tensor.name].shape
        if shape[:1] != (rows,):
            raise ProtocolError(
                f"output {tensor.name} of {model.name} has shape {list(shape)}, but {rows} rows were asked "
                "for; the server's log may say why"
            )
    return Reply({tensor.name: decode_tensor(tensor, found[tensor.name]) for tensor in model.outputs})


def answer(reply: Reply) -> Answer:
    """The result of `ask`."""
    return Answer(
        text=reply.text("ANSWER"),
        passages=passage_rows(reply)[0],
        passages_used=reply.number("PASSAGES_USED"),
        finish_reason=reply.text("FINISH_REASON"),
        prompt_tokens=reply.number("PROMPT_TOKENS"),
        answer_tokens=reply.number("ANSWER_TOKENS"),
        logprobs=_logprobs(reply),
    )


def delta(reply: Reply) -> Delta:
    """One result of `stream`."""
    return Delta(
        text=reply.text("ANSWER_DELTA"),
        passages=passage_rows(reply)[0],
        passages_used=reply.number("PASSAGES_USED"),
        finish_reason=reply.text("FINISH_REASON") or None,
        prompt_tokens=reply.number("PROMPT_TOKENS"),
        answer_tokens=reply.number("ANSWER_TOKENS"),
        logprobs=_logprobs(reply),
    )


def passage_rows(reply: Reply) -> list[tuple[Passage, ...]]:
    """The passages of each row; rows are padded to the longest with empty ids, which are left out."""
    names = ("PASSAGE_ID", "PASSAGE_TITLE", "PASSAGE_SOURCE", "PASSAGE_TEXT", "PASSAGE_SCORE")
    columns = [reply.tensors[name] for name in names]
    if len({column.shape for column in columns}) > 1:
        shapes = ", ".join(f"{name} {list(reply.tensors[name].shape)}" for name in names)
        raise ProtocolError(f"the passages of the reply do not fit together: {shapes}; see the server's log")
    return [
        tuple(Passage(*facts) for facts in zip(*(column.tolist() for column in row), strict=True) if facts[0])
        for row in zip(*columns, strict=True)
    ]


def vectors(reply: Reply) -> list[npt.NDArray[np.float32]]:
    """The vector of each row, shape (size of the encoder's vectors,); NaN where the row was refused."""
    return list(reply.tensors["EMBEDDING"])


def row_errors(reply: Reply) -> dict[int, str]:
    """Row number to the reason why that row was refused."""
    return {row: str(reason) for row, reason in enumerate(reply.tensors["ERROR"].flat) if reason}


def _logprobs(reply: Reply) -> tuple[TokenLogprob, ...]:
    """The log-probabilities; `rag` has a single -1 in place of tokens where it was not asked for them."""
    token_ids, logprobs = reply.tensors["TOKEN_IDS"], reply.tensors["TOKEN_LOGPROBS"]
    if token_ids.shape != logprobs.shape:
        raise ProtocolError(
            f"the reply has {token_ids.size} tokens, but log-probabilities of {logprobs.size}; "
            "see the server's log"
        )
    pairs = zip(token_ids[0].tolist(), logprobs[0].tolist(), strict=True)
    return tuple(TokenLogprob(token_id, logprob) for token_id, logprob in pairs if token_id >= 0)
