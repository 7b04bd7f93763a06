"""Examples side by side as padded tensors, and a model's logits at the positions that have a label.

A batch is a dictionary of tensors, as data loaders and accelerate move them between devices:

    input_ids       (examples, inputs)   a causal model's prompt and answer; an encoder's source
    attention_mask  (examples, inputs)   1 where there is a token, 0 where there is padding on the right
    labels          (examples, labels)   the token to be given there, IGNORED elsewhere
    example_ids     (examples,)          places in the list of examples, to find their soft labels by

A causal model's labels stand at the input that comes before them, so that inputs and labels are of one length
and no more shifting is needed; an encoder-decoder model's labels are the answers. The rows of a batch are its
labels in order: example by example, token by token.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from triton_rag_export.compress.distil_generator.examples import Example

IGNORED = -100
"""The label of a position without one, as everywhere in transformers."""

Batch = Mapping[str, torch.Tensor]


class Collator:
    """Lays examples side by side.

    Args:
        is_encoder_decoder: whether prompt and answer are two sequences.
        pad_token_id: fills what is not attended to; any token will do.
        multiple: lengths are rounded up to a multiple of it: fewer shapes, and tensor cores like eights.
    """

    def __init__(self, *, is_encoder_decoder: bool, pad_token_id: int, multiple: int = 8) -> None:
        self._lay_out = _two_sequences if is_encoder_decoder else _one_sequence
        self._pad_token_id = pad_token_id
        self._multiple = multiple

    def __call__(self, numbered: Sequence[tuple[int, Example]]) -> Batch:
        """A batch of examples, each with its place in the list of all."""
        pairs = [self._lay_out(example) for _, example in numbered]
        inputs = self._padded([ids for ids, _ in pairs], self._pad_token_id)
        lengths = torch.tensor([len(ids) for ids, _ in pairs])
        return {
            "input_ids": inputs,
            "attention_mask": (torch.arange(inputs.shape[1]) < lengths[:, None]).long(),
            "labels": self._padded([labels for _, labels in pairs], IGNORED),
            "example_ids": torch.tensor([number for number, _ in numbered]),
        }

    def _padded(self, rows: Sequence[Sequence[int]], filling: int) -> torch.Tensor:
        width = -(-max(map(len, rows)) // self._multiple) * self._multiple
        padded = torch.full((len(rows), width), filling)
        for row, ids in zip(padded, rows, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        return padded


def _one_sequence(example: Example) -> tuple[Sequence[int], Sequence[int]]:
    sequence = example.prompt + example.answer
    return sequence[:-1], (IGNORED,) * (len(example.prompt) - 1) + example.answer


def _two_sequences(example: Example) -> tuple[Sequence[int], Sequence[int]]:
    return example.prompt, example.answer


def label_ids(batch: Batch) -> torch.Tensor:
    """The labels of a batch's rows, (rows,)."""
    return batch["labels"][batch["labels"] != IGNORED]


def label_logits(model: Any) -> Callable[[Any, Batch], torch.Tensor]:
    """How to get a model's logits at the rows of a batch, (rows, vocabulary).

    Args:
        model: a transformers model. What is returned is called with it, or with what wraps it for several
            processes.
    """
    return _EncoderDecoderLogits(model) if model.config.is_encoder_decoder else _causal_logits


def _causal_logits(model: Any, batch: Batch) -> torch.Tensor:
    """The head, often a third of a small model's work, reads only the rows that have a label."""
    output = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        logits_to_keep=batch["labels"] != IGNORED,
        use_cache=False,
    )
    return output.logits  # type: ignore[no-any-return]


class _EncoderDecoderLogits:
    """The decoder reads the labels moved on by one, as the model's family moves them."""

    def __init__(self, model: Any) -> None:
        self._moved_on = model.prepare_decoder_input_ids_from_labels

    def __call__(self, model: Any, batch: Batch) -> torch.Tensor:
        output = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            decoder_input_ids=self._moved_on(labels=batch["labels"]),
            use_cache=False,
        )
        return output.logits[batch["labels"] != IGNORED]  # type: ignore[no-any-return]
