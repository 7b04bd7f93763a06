"""How close an encoder-decoder model's next-token distributions are to those of the model it was made from.

The decoder needs a target to read beside each source: what transformers answers greedily, in FP32, so that
the two models are compared where the served one will be.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from generation.encoder_decoder import EncoderDecoderAdapter

from triton_rag_export.graph.generator_quality import read_logits
from triton_rag_export.graph.linear import Floats


@dataclass(frozen=True, slots=True)
class SourceAndTarget:
    """A text and what the decoder reads beside it.

    Attributes:
        source: token ids.
        target: token ids, start tokens first.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]


Logits = Callable[[SourceAndTarget], Floats]
"""Gives the logits at every position of the target, (tokens, vocabulary)."""


def greedy_targets(
    model: Any,
    sources: Iterable[Sequence[int]],
    *,
    start_token_ids: Sequence[int],
    end_token_ids: frozenset[int],
    tokens: int,
) -> list[SourceAndTarget]:
    """Let a transformers model answer each source, the most probable token each time.

    Args:
        model: the model, in float32.
        sources: token ids.
        start_token_ids: what each target begins with.
        end_token_ids: tokens that end a target; not part of it.
        tokens: the longest target, start tokens included.
    """
    import torch

    pairs = []
    with torch.inference_mode():
        for source in sources:
            encoded = model.get_encoder()(input_ids=torch.tensor([list(source)]))
            target, unread, cache = list(start_token_ids), list(start_token_ids), None
            while len(target) < tokens:
                output = model(
                    encoder_outputs=encoded,
                    decoder_input_ids=torch.tensor([unread]),
                    past_key_values=cache,
                    use_cache=True,
                )
                unread, cache = [int(output.logits[0, -1].argmax())], output.past_key_values
                if unread[0] in end_token_ids:
                    break
                target += unread
            pairs.append(SourceAndTarget(tuple(source), tuple(target)))
    return pairs


def torch_pair_logits(model: Any) -> Logits:
    """The logits of a transformers encoder-decoder model."""
    import torch

    def logits(pair: SourceAndTarget) -> Floats:
        source, target = torch.tensor([pair.source]), torch.tensor([pair.target])
        with torch.inference_mode():
            output = model(input_ids=source, decoder_input_ids=target, use_cache=False)
        return np.asarray(output.logits[0].float().numpy(), dtype=np.float32)

    return logits


def served_pair_logits(adapter: EncoderDecoderAdapter) -> Logits:
    """The logits of a served model, through its first slot."""

    def logits(pair: SourceAndTarget) -> Floats:
        adapter.start(0, pair.source)
        return read_logits(adapter, pair.target)

    return logits
