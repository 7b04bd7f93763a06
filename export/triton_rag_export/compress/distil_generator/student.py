"""Students: a teacher that keeps some of its layers, or another model with the same tokenizer.

Which layers stay is given, or chosen by number: spaced evenly, the first and the last among them, as in
DistilBART (Shleifer and Rush, 2020); or by block influence, how much a layer turns the rows that pass through
it, 1 - cos(input, output) (Men et al., "ShortGPT", 2024).
"""

import copy
from collections.abc import Sequence
from typing import Any, Literal

import torch

from triton_rag_export.compress.distil_generator.batches import Batch, label_logits
from triton_rag_export.compress.layers import keep_layers
from triton_rag_export.compress.model_parts import stacks_of
from triton_rag_export.errors import UnsupportedModelError

Choice = Literal["spaced", "influence"]
Layers = int | Sequence[int]
"""How many layers stay (0: half of them, rounded up), or which."""


def student_of_layers(
    teacher: Any, layers: Layers, encoder_layers: Layers, choose: Choice, batches: Sequence[Batch]
) -> Any:
    """A copy of the teacher with some of its layers.

    Args:
        teacher: a transformers model of the Llama family, T5 or BART; it stays as it is.
        layers: of a causal model, or of the decoder.
        encoder_layers: of the encoder; not looked at where there is none.
        choose: which ones, where `layers` is a number.
        batches: what influence is measured on, at least one where it is needed.

    Raises:
        ValueError: more layers than there are, unknown ones, or another order than ascending.
    """
    wanted = {"decoder": layers}
    if teacher.config.is_encoder_decoder:
        wanted["encoder"] = encoder_layers
    kept = {}
    for stack, given in wanted.items():
        if isinstance(given, int):
            total = len(_layers_of(teacher, stack))
            count = given or -(-total // 2)
            _check_count(stack, count, total)
            kept[stack] = (
                most_influential(block_influence(teacher, batches, stack), count)
                if choose == "influence" and count < total
                else spaced(total, count)
            )
        else:
            kept[stack] = list(given)
    student = copy.deepcopy(teacher)
    for stack, chosen in kept.items():
        if chosen != list(range(len(_layers_of(student, stack)))):
            keep_layers(student, chosen, stack=stack)
    return student


def spaced(total: int, count: int) -> list[int]:
    """So many of the layers 0 to `total - 1`, evenly apart, the first and the last among them.

    Args:
        total: how many there are.
        count: how many stay, 1 to `total`; one alone is the first.
    """
    return [round(number * (total - 1) / max(count - 1, 1)) for number in range(count)]


def most_influential(influence: Sequence[float], count: int) -> list[int]:
    """The places of the largest values, in ascending order; of equals, the first."""
    ranked = sorted(range(len(influence)), key=lambda layer: (-influence[layer], layer))
    return sorted(ranked[:count])


def block_influence(model: Any, batches: Sequence[Batch], stack: str = "decoder") -> list[float]:
    """How much each layer turns the rows that pass through it: the mean of 1 - cos(input, output), 0 to 2.

    Padding counts nothing. Of a decoder beside an encoder, the positions that have a label count; of the
    other stacks, those of the inputs.

    Args:
        model: a transformers model.
        batches: what passes through, at least one.
        stack: "encoder" or "decoder"; a causal model has a decoder alone.
    """
    layers = _layers_of(model, stack)
    sums, rows = [0.0] * len(layers), 0
    mask = torch.ones(())

    def watch(number: int) -> Any:
        def hook(_: Any, inputs: tuple[Any, ...], settings: dict[str, Any], output: Any) -> None:
            before = inputs[0] if inputs else settings["hidden_states"]  # (examples, positions, hidden)
            after = output[0] if isinstance(output, tuple) else output
            cosine = torch.cosine_similarity(before.float(), after.float(), dim=-1)
            sums[number] += float((1 - cosine)[mask].sum())

        return hook

    logits = label_logits(model)
    handles = [
        layer.register_forward_hook(watch(number), with_kwargs=True) for number, layer in enumerate(layers)
    ]
    is_beside_encoder = model.config.is_encoder_decoder and stack == "decoder"
    was_training = model.training
    try:
        with torch.inference_mode():
            for batch in batches:
                mask = (batch["labels"] >= 0) if is_beside_encoder else batch["attention_mask"].bool()
                rows += int(mask.sum())
                logits(model.eval(), batch)
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return [total / rows for total in sums]


def check_vocabularies(teacher: Any, student: Any, teacher_tokenizer: Any, student_tokenizer: Any) -> None:
    """Make sure that a token id means the same to both, and that both give as many logits.

    Args:
        teacher: a transformers model.
        student: a transformers model.
        teacher_tokenizer: its tokenizer.
        student_tokenizer: its tokenizer.

    Raises:
        UnsupportedModelError: names both sizes.
    """
    sizes = [int(model.get_output_embeddings().weight.shape[0]) for model in (teacher, student)]
    tokens = [tokenizer.get_vocab() for tokenizer in (teacher_tokenizer, student_tokenizer)]
    if sizes[0] == sizes[1] and tokens[0] == tokens[1]:
        return
    different = sum(tokens[0].get(token) != token_id for token, token_id in tokens[1].items())
    raise UnsupportedModelError(
        f"the teacher has {sizes[0]} logits and {len(tokens[0])} tokens, the student {sizes[1]} logits "
        f"and {len(tokens[1])} tokens, of which {different} are not the teacher's or have other ids; give a "
        "student with the teacher's tokenizer, or keep layers of the teacher"
    )


def _layers_of(model: Any, stack: str) -> Any:
    """The layers of a stack, in order."""
    return model.get_submodule(stacks_of(model)[stack])


def _check_count(stack: str, count: int, total: int) -> None:
    if not 1 <= count <= total:
        name = "encoder_layers" if stack == "encoder" else "layers"
        raise ValueError(f"{name} is {count}; allowed: 1 to {total}, or 0 for half of them")
