"""A flan-t5 that has learned a task loses half of its heads and neurons, recovers, and is served in INT8.

The task: say the words of the source backwards, each exchanged for another one. It takes both attentions, and
a model that has learned it answers sources that it never saw. Everything runs through the steps that recipes
run.
"""

import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from export.graph.saved_generators import saved
from export.graph.tiny_encoder_decoder_models import END, VOCABULARY, served_answers
from generation.encoder_decoder import EncoderDecoderAdapter
from transformers import T5Config, T5ForConditionalGeneration
from triton_rag_export.compress.distil_generator import (
    DistilGeneratorSettings,
    GeneratorTexts,
    distil_generator,
)
from triton_rag_export.compress.distil_generator.examples import TrainingText
from triton_rag_export.compress.recovery import PruneGeneratorSettings, prune_generator
from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.graph.encoder_decoder import EncoderDecoderExport, export_encoder_decoder
from triton_rag_export.graph.model_source import load_encoder_decoder_model, resolve_model
from triton_rag_export.recipe import GeneratorRecipe

WORDS = range(10, 26)
LONGEST = 5
SETTINGS = DistilGeneratorSettings(
    max_tokens=16,
    answer_tokens=LONGEST + 1,
    alpha=1.0,
    training=TrainingSettings(steps=600, batch_size=64, learning_rate=3e-3, checkpoint_every=0),
)


@dataclass(frozen=True, slots=True)
class Task:
    """Texts to learn, and sources with their answers that are none of them."""

    texts: GeneratorTexts
    held_out: tuple[tuple[list[int], list[int]], ...]


@pytest.fixture(scope="module")
def task() -> Task:
    numbers = random.Random(5)
    sources = list({tuple(numbers.choices(WORDS, k=numbers.randint(3, LONGEST))): None for _ in range(6300)})
    pairs = [(list(source), [10 + (word * 5 + 3) % 16 for word in reversed(source)]) for source in sources]
    texts = tuple(TrainingText(_words(answer), prompt=_words(source)) for source, answer in pairs)
    recipe = GeneratorRecipe(system="", instruction="{passages}{question}", plain_template="{content}")
    return Task(GeneratorTexts(texts[300:], texts[200:300], recipe), tuple(pairs[:200]))


@pytest.fixture(scope="module")
def learned(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The large model: trained on the labels alone."""
    folder = tmp_path_factory.mktemp("toy")
    torch.manual_seed(3)
    sizes = {"d_model": 64, "d_kv": 8, "d_ff": 128, "num_heads": 8, "num_layers": 2, "dropout_rate": 0.0}
    config = T5Config(
        vocab_size=VOCABULARY,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        eos_token_id=END,
        pad_token_id=0,
        decoder_start_token_id=0,
        **sizes,
    )
    random_model = saved(T5ForConditionalGeneration(config), folder / "random").folder
    settings = replace(SETTINGS, student=str(random_model))
    distil_generator(random_model, folder / "learned", settings, data=task.texts, workplace=folder / "work")
    return folder / "learned"


def quality(folder: Path, task: Task) -> float:
    """The share of held-out sources whose answers are right, word by word."""
    model = load_encoder_decoder_model(resolve_model(str(folder)))
    answers = {}
    for length in range(3, LONGEST + 1):
        places = [place for place, (source, _) in enumerate(task.held_out) if len(source) == length]
        sources = torch.tensor([[*task.held_out[place][0], END] for place in places])
        found = model.generate(sources, do_sample=False, max_new_tokens=LONGEST + 2)[:, 1:].tolist()
        answers |= {place: _until_end(ids) for place, ids in zip(places, found, strict=True)}
    return _exact([answers[place] for place in range(len(task.held_out))], task)


def served_quality(folder: Path, task: Task) -> float:
    """The same, of what an export serves."""
    sizes = {"slots": 8, "capacity": 16, "source_capacity": 16, "threads": 1}
    adapter = EncoderDecoderAdapter.load(folder, **sizes)
    answers = []
    for at in range(0, len(task.held_out), 8):
        sources = [[*source, END] for source, _ in task.held_out[at : at + 8]]
        answers += served_answers(adapter, sources, LONGEST + 1)
    return _exact(answers, task)


def test_half_of_a_model_recovers_and_keeps_its_quality_in_int8(
    learned: Path, task: Task, tmp_path: Path
) -> None:
    halved = PruneGeneratorSettings(
        heads=0.5,
        neurons=0.5,
        recovery=replace(SETTINGS, alpha=0.3, training=replace(SETTINGS.training, steps=200)),
    )
    prune_generator(
        learned, tmp_path / "cut", replace(halved, recover=False), data=task.texts, workplace=tmp_path
    )
    prune_generator(learned, tmp_path / "pruned", halved, data=task.texts, workplace=tmp_path / "work")
    (tmp_path / "served").mkdir()
    calibration = tuple(str(text.prompt) for text in task.texts.training[:64])
    export_encoder_decoder(
        resolve_model(str(tmp_path / "pruned")),
        EncoderDecoderExport("int8", source_tokens=16, target_tokens=14, calibration_texts=calibration),
        tmp_path / "served",
    )

    folders = learned, tmp_path / "cut", tmp_path / "pruned"
    before, cut, pruned = (quality(folder, task) for folder in folders)
    int8 = served_quality(tmp_path / "served", task)
    print(f"exact match: {before:.3f}, cut {cut:.3f}, recovered {pruned:.3f}, in INT8 {int8:.3f}")
    assert before >= 0.95
    assert cut < 0.5 * before  # what was taken away did matter
    assert pruned >= 0.95 * before
    assert int8 >= 0.99 * pruned
    weights = [
        (folder / file).stat().st_size
        for folder, file in ((learned, "model.safetensors"), (tmp_path / "pruned", "compressed.safetensors"))
    ]
    print(f"bytes: {weights[0]}, {weights[1]}")
    assert weights[1] < 0.75 * weights[0]


def _exact(answers: list[list[int]], task: Task) -> float:
    right = [answer == expected for answer, (_, expected) in zip(answers, task.held_out, strict=True)]
    return sum(right) / len(right)


def _until_end(ids: list[int]) -> list[int]:
    return ids[: ids.index(END)] if END in ids else ids


def _words(tokens: list[int]) -> str:
    return " ".join(f"w{token:03}" for token in tokens)
