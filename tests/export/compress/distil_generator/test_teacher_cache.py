"""Soft labels on disk are those of the teacher, whatever batch asks for them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from export.graph.tiny_causal_models import VOCABULARY, random_tokens, tiny_llama
from export.graph.tiny_encoder_decoder_models import tiny_t5
from triton_rag_export.compress.distil_generator import teacher_cache
from triton_rag_export.compress.distil_generator.batches import Collator
from triton_rag_export.compress.distil_generator.examples import Example, Examples
from triton_rag_export.compress.distil_generator.loss import soft_loss
from triton_rag_export.compress.distil_generator.teacher import LiveTeacher
from triton_rag_export.compress.distil_generator.teacher_cache import (
    CachedTeacher,
    CacheInfo,
    make_teacher_cache,
)
from triton_rag_export.errors import BuildError

EXAMPLES = Examples(
    tuple(
        Example(tuple(random_tokens(3 + n % 5, seed=n)), tuple(random_tokens(1 + n % 4, seed=n + 50)))
        for n in range(11)
    ),
    {},
    0,
)


def filled(model: Any, folder: Path, k: int, **settings: Any) -> tuple[CachedTeacher, CacheInfo, Collator]:
    collate = Collator(is_encoder_decoder=model.config.is_encoder_decoder, pad_token_id=0)
    info = CacheInfo.of("teacher", EXAMPLES, k, VOCABULARY)
    make_teacher_cache(model, EXAMPLES.items, collate, info, folder, batch_size=3, **settings)
    return CachedTeacher(folder, info), info, collate


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_cache, "EXAMPLES_A_SHARD", 4)


@pytest.mark.parametrize("make", [tiny_llama, tiny_t5])
@pytest.mark.parametrize("k", [5, VOCABULARY])
def test_a_batch_in_any_order_finds_its_own_rows(tmp_path: Path, make, k: int) -> None:
    model = make()
    cached, _, collate = filled(model, tmp_path, k)
    batch = collate([(number, EXAMPLES.items[number]) for number in (9, 0, 4, 3)])
    live = LiveTeacher(model).soft_labels(batch)
    found = cached.soft_labels(batch)
    expected = live.log_probabilities if k == VOCABULARY else live.log_probabilities.topk(k, dim=1).values
    torch.testing.assert_close(found.log_probabilities, expected)
    assert (found.most_probable_ids == live.most_probable_ids).all()


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_loss_from_the_cache_is_that_of_the_teacher_in_memory(tmp_path: Path, temperature: float) -> None:
    teacher, student = tiny_llama(), tiny_llama(num_hidden_layers=1)
    batch = Collator(is_encoder_decoder=False, pad_token_id=0)(list(enumerate(EXAMPLES.items)))
    with torch.inference_mode():
        logits = student(
            batch["input_ids"],
            attention_mask=batch["attention_mask"],
            logits_to_keep=batch["labels"] >= 0,
        ).logits
    live = soft_loss(logits, LiveTeacher(teacher).soft_labels(batch), temperature).mean()
    losses = []
    for k in (5, 100, VOCABULARY):
        cached, *_ = filled(teacher, tmp_path / str(k), k)
        losses.append(float(soft_loss(logits, cached.soft_labels(batch), temperature).mean()))
    assert losses == sorted(losses)
    assert losses[1] == pytest.approx(float(live), rel=0.05 if temperature == 1 else 0.25)
    assert losses[2] == pytest.approx(float(live), rel=1e-5)


def test_a_killed_making_goes_on_where_it_was(tmp_path: Path) -> None:
    model = tiny_llama()
    _, info, collate = filled(model, tmp_path, 5)
    shards = sorted(tmp_path.glob("*.safetensors"))
    before = [shard.read_bytes() for shard in shards]
    assert len(shards) == info.shards == 3
    shards[1].unlink()
    with pytest.raises(BuildError, match=r"lacks 1 of 3 files of soft labels, such as labels-00001"):
        CachedTeacher(tmp_path, info)
    stamp = shards[0].stat().st_mtime_ns
    make_teacher_cache(model, EXAMPLES.items, collate, info, tmp_path, batch_size=3)
    assert [shard.read_bytes() for shard in shards] == before
    assert shards[0].stat().st_mtime_ns == stamp
    assert not list(tmp_path.glob("*.part"))


def test_processes_share_the_shards(tmp_path: Path) -> None:
    model = tiny_llama()
    with pytest.raises(BuildError, match="lacks 1 of 3"):
        filled(model, tmp_path, 5, part=(0, 2))
    filled(model, tmp_path, 5, part=(1, 2))


def test_soft_labels_of_another_teacher_or_text_are_refused(tmp_path: Path) -> None:
    _, info, _ = filled(tiny_llama(), tmp_path, 5)
    for other, what in (
        (CacheInfo.of("another", EXAMPLES, 5, VOCABULARY), "teacher"),
        (CacheInfo.of("teacher", EXAMPLES, 6, VOCABULARY), "k"),
        (CacheInfo.of("teacher", Examples(EXAMPLES.items[::-1], {}, 0), 5, VOCABULARY), "examples and rows"),
    ):
        assert other.fingerprint != info.fingerprint
        with pytest.raises(BuildError, match=f"soft labels of another {what};"):
            CachedTeacher(tmp_path, other)
