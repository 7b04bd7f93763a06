"""Students: a teacher that keeps some of its layers and neurons, or another encoder with its tokenizer."""

import copy
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from triton_rag_export.compress.distil_encoder.settings import EncoderDistillation
from triton_rag_export.compress.distil_encoder.torch_encoder import TorchEncoder
from triton_rag_export.compress.distil_generator.student import most_influential, spaced
from triton_rag_export.compress.layers import keep_layers
from triton_rag_export.compress.model_parts import layer_names
from triton_rag_export.compress.pruning import PruneSettings, prune_model
from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.model_source import (
    ModelSource,
    load_encoder_model,
    load_tokenizer,
    resolve_model,
)

Batch = Mapping[str, torch.Tensor]


def make_student(
    teacher: TorchEncoder, source: ModelSource, settings: EncoderDistillation, batches: Iterable[Batch]
) -> TorchEncoder:
    """The student before it learns: it pools, normalizes and cuts texts as the teacher does.

    Args:
        teacher: the encoder to learn from; it stays as it is.
        source: where it is from.
        settings: which layers and how many neurons stay, or which model it is.
        batches: `input_ids` and `attention_mask` of texts that influence is measured on.

    Raises:
        ValueError: more layers than there are, unknown ones, or another order than ascending.
        UnsupportedModelError: teacher and student have different vocabularies; names both sizes.
        ModelSourceError: the student cannot be read.
    """
    if settings.student:
        student = TorchEncoder(_other_model(teacher, source, settings.student), teacher.text, teacher.width)
    else:
        student = copy.deepcopy(teacher)
        total = len(layer_names(teacher.transformer, "encoder"))
        kept = _kept_layers(teacher, settings, total, batches)
        keep_layers(student.transformer, kept, stack="encoder")
        if settings.neurons:
            cut = PruneSettings(importance="magnitude", neurons=settings.neurons)
            prune_model(student.transformer, cut, losses=())
    for module in student.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    if getattr(student.transformer, "pooler", None) is not None:
        student.transformer.pooler.requires_grad_(False)  # the vector is pooled from the tokens' states
    student.transformer.get_input_embeddings().requires_grad_(not settings.freeze_embeddings)
    return student


def layer_influence(encoder: TorchEncoder, batches: Iterable[Batch]) -> list[float]:
    """How much each layer turns the tokens' vectors: the mean of 1 - cos(input, output), 0 to 2.

    Called block influence by Men et al., "ShortGPT", 2024 (https://arxiv.org/abs/2403.03853). Padding counts
    nothing.
    """
    sums, tokens = torch.zeros(len(layer_names(encoder.transformer, "encoder"))), 0
    with torch.inference_mode():
        for batch in batches:
            found = encoder.transformer.eval()(**batch, output_hidden_states=True).hidden_states
            mask = batch["attention_mask"].bool()
            tokens += int(mask.sum())
            for layer, (before, after) in enumerate(pairwise(found)):
                sums[layer] += (1 - torch.cosine_similarity(before, after, dim=-1))[mask].sum()
    return (sums / tokens).tolist()


def _kept_layers(
    teacher: TorchEncoder, settings: EncoderDistillation, total: int, batches: Iterable[Batch]
) -> list[int]:
    if isinstance(settings.layers, tuple):
        return list(settings.layers)
    count = settings.layers or -(-total // 2)
    if count > total:
        raise ValueError(f"layers is {count}; allowed: 1 to {total}, or 0 for half of them")
    if settings.choose == "influence":
        return most_influential(layer_influence(teacher, batches), count)
    return spaced(total, count)


def _other_model(teacher: TorchEncoder, source: ModelSource, name: str) -> Any:
    other = resolve_model(name)
    student = load_encoder_model(other)
    theirs, own = load_tokenizer(source).get_vocab(), load_tokenizer(other).get_vocab()
    rows = [int(m.get_input_embeddings().weight.shape[0]) for m in (teacher.transformer, student)]
    if theirs != own or rows[1] < len(own):
        different = sum(theirs.get(token) != token_id for token, token_id in own.items())
        raise UnsupportedModelError(
            f"teacher {source.name!r} has {len(theirs)} tokens and {rows[0]} embeddings, student {name!r} "
            f"{len(own)} tokens and {rows[1]} embeddings; {different} of the student's tokens are not the "
            "teacher's or have other ids; give a student with the teacher's tokenizer, or keep layers of the "
            "teacher"
        )
    return student
