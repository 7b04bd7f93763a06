import json

import pytest
from export.graph.saved_generators import saved
from export.graph.tiny_causal_models import tiny_llama
from export.graph.tiny_encoder_decoder_models import (
    END,
    POSITIONS,
    VOCABULARY,
    forcing_first_word,
    random_tokens,
    reference_answer,
    served_answers,
    tiny_bart,
    tiny_flan,
    tiny_mbart,
    tiny_mt5,
    tiny_t5,
)
from generation.encoder_decoder import EncoderDecoderAdapter
from generation.encoder_decoder_description import EncoderDecoderDescription
from transformers import AutoModelForSeq2SeqLM
from triton_rag_export.errors import BuildError, ModelSourceError, UnsupportedModelError
from triton_rag_export.graph.encoder_decoder import EncoderDecoderExport, export_encoder_decoder
from triton_rag_export.graph.encoder_decoder_model import EncoderDecoderLayerShape
from triton_rag_export.graph.model_source import ModelSource, is_encoder_decoder, resolve_model

TEXTS = tuple(" ".join(f"w{token:03}" for token in random_tokens(30, seed)) for seed in range(8))
SIZES = {"source_tokens": 60, "target_tokens": 14}
MODELS = {
    "t5": tiny_t5,
    "flan-t5": tiny_flan,
    "mt5": tiny_mt5,
    "bart": tiny_bart,
    "mbart": lambda: forcing_first_word(tiny_mbart(), 11),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> ModelSource:
    model = tiny_flan()
    model.generation_config.eos_token_id = [END, 9]
    return saved(model, tmp_path_factory.mktemp("flan"))


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_answers_as_transformers_does_after_its_export(name, tmp_path):
    source = saved(MODELS[name](), tmp_path / "model")
    (tmp_path / "served").mkdir()

    report = export_encoder_decoder(
        source, EncoderDecoderExport("fp32", calibration_texts=TEXTS, **SIZES), tmp_path / "served"
    )

    assert report.kl < 1e-8
    assert report.top1_agreement > 0.999
    assert report.compared_tokens > 20
    model = AutoModelForSeq2SeqLM.from_pretrained(source.folder).eval()
    adapter = EncoderDecoderAdapter.load(
        tmp_path / "served", slots=3, capacity=32, source_capacity=60, threads=1
    )
    sources = [random_tokens(length, seed=length) for length in (3, 25, 60)]
    expected = [reference_answer(model, each, 20) for each in sources]
    assert served_answers(adapter, sources, 20) == expected


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_an_export_is_complete_and_says_how_close_it_is(precision, source, tmp_path):
    settings = EncoderDecoderExport(precision, calibration_texts=TEXTS, **SIZES)

    report = export_encoder_decoder(source, settings, tmp_path)

    graphs = ("generator.onnx", "source_encoder.onnx")
    files = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(files) == {
        *graphs,
        *(f"{name}.data" for name in graphs),
        "generator.json",
        "libtriton_rag_kernels.so",
        "tokenizer.json",
    }
    assert report.size_bytes == sum(size for name, size in files.items() if ".onnx" in name)
    encoder_layer = EncoderDecoderLayerShape("encoder", 5, 0, 51)
    decoder_layer = EncoderDecoderLayerShape("decoder", 5, 5, 51)
    assert report.layers == (encoder_layer,) * 3 + (decoder_layer,) * 2
    assert (report.family, report.precision, report.vocabulary_size) == ("t5", precision, VOCABULARY)
    assert report.kl < {"fp32": 1e-8, "fp16": 1e-2, "int8": 2.0}[precision]
    assert report.top1_agreement > {"fp32": 0.999, "fp16": 0.95, "int8": 0.6}[precision]


def test_the_description_names_kind_start_and_every_end(source, tmp_path):
    export_encoder_decoder(source, EncoderDecoderExport("fp32", **SIZES), tmp_path)

    assert json.loads((tmp_path / "generator.json").read_text())["kind"] == "encoder-decoder"
    description = EncoderDecoderDescription.load(tmp_path)
    assert description.start_token_ids == (0,)
    assert description.end_token_ids == {END, 9}
    assert (description.heads, description.cross_heads, description.head_size) == ((5, 5), (5, 5), 12)
    assert (description.longest_source, description.longest_target) == (None, None)


def test_a_forced_first_word_is_read_before_anything_is_written(tmp_path):
    source = saved(forcing_first_word(tiny_bart(), 11), tmp_path)

    export_encoder_decoder(source, EncoderDecoderExport("fp32", **SIZES), tmp_path)

    description = EncoderDecoderDescription.load(tmp_path)
    assert description.start_token_ids == (END, 11)
    assert (description.longest_source, description.longest_target) == (POSITIONS, POSITIONS)


def test_without_texts_nothing_is_claimed(source, tmp_path):
    report = export_encoder_decoder(source, EncoderDecoderExport("fp16", **SIZES), tmp_path)

    assert (report.kl, report.top1_agreement, report.compared_tokens) == (None, None, 0)


def test_int8_wants_texts_to_calibrate_with(source, tmp_path):
    with pytest.raises(BuildError, match="calibration_texts"):
        export_encoder_decoder(source, EncoderDecoderExport("int8", **SIZES), tmp_path)


def test_the_same_export_gives_the_same_bytes(source, tmp_path):
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        settings = EncoderDecoderExport("int8", calibration_texts=TEXTS, **SIZES)
        export_encoder_decoder(source, settings, tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})

    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"source_tokens": 81}, "source_tokens is 81; allowed: at most .* 80"),
        ({"target_tokens": 80}, "target_tokens with its start tokens is 81; allowed: at most .* 80"),
    ],
)
def test_texts_longer_than_learned_positions_are_refused(sizes, message, tmp_path):
    source = saved(tiny_bart(), tmp_path)

    with pytest.raises(UnsupportedModelError, match=message):
        export_encoder_decoder(source, EncoderDecoderExport("fp32", **(SIZES | sizes)), tmp_path)


def test_a_folder_says_whether_it_holds_an_encoder_decoder_model(source, tmp_path):
    tiny_llama().save_pretrained(tmp_path)

    assert is_encoder_decoder(source)
    assert not is_encoder_decoder(resolve_model(str(tmp_path)))
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ModelSourceError, match=r"config\.json is no configuration"):
        is_encoder_decoder(ModelSource("broken", tmp_path))
