"""A real Triton over an encoder-decoder generator: greedy and beam search answer as transformers does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from export.small_build import save_small_bart, save_small_models, small_recipe, write_corpus
from prompting import PromptBuilder, PromptPassage
from transformers import BartForConditionalGeneration, PreTrainedTokenizerFast
from triton_rag_client import RagClient, RagError, RetryPolicy
from triton_rag_export.build import ArtifactCache, build
from triton_rag_server import TritonServer

pytestmark = pytest.mark.integration

QUESTION = "How do I add an element to a list?"
TOKENS = 12


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bart")
    save_small_models(folder)
    save_small_bart(folder / "generator")
    write_corpus(folder)
    build(small_recipe(folder), folder / "repository", cache=ArtifactCache(folder / "cache"))
    return folder


@pytest.fixture(scope="module")
def server(workshop: Path) -> Iterator[TritonServer]:
    with TritonServer(workshop / "repository") as server:
        yield server


@pytest.fixture(params=["grpc", "http"])
def client(request: pytest.FixtureRequest, server: TritonServer) -> Iterator[RagClient]:
    url = server.grpc_url if request.param == "grpc" else server.http_url
    with RagClient(url, timeout_s=120, retry=RetryPolicy(attempts=1)) as client:
        yield client


def reference(workshop: Path, client: RagClient, **options: Any) -> str:
    """What transformers answers to the very prompt that the server builds."""
    model = BartForConditionalGeneration.from_pretrained(workshop / "generator").eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(workshop / "generator")
    builder = PromptBuilder.load(workshop / "repository" / "prompt_builder" / "1")
    passages = [PromptPassage(passage.title, passage.text) for passage in client.retrieve(QUESTION)]
    ids = builder.build(QUESTION, passages).ids.tolist()
    with torch.inference_mode():
        found = model.generate(
            torch.tensor([ids]),
            do_sample=False,
            max_new_tokens=TOKENS,
            forced_eos_token_id=None,
            early_stopping=False,
            **options,
        )
    return str(tokenizer.decode(found[0], skip_special_tokens=True))


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, {}),
        ({"beams": 2}, {"num_beams": 2}),
        ({"beams": 2, "length_penalty": 0.0}, {"num_beams": 2, "length_penalty": 0.0}),
    ],
)
def test_the_answer_is_that_of_transformers_whole_and_streamed(
    options: dict[str, Any], same: dict[str, Any], workshop: Path, client: RagClient
) -> None:
    expected = reference(workshop, client, **same)

    assert expected
    assert client.ask(QUESTION, max_tokens=TOKENS, **options).text == expected
    streamed = client.stream(QUESTION, max_tokens=TOKENS, **options)
    assert "".join(delta.text for delta in streamed) == expected


def test_more_beams_than_slots_are_refused_and_the_slots_stay_free(client: RagClient) -> None:
    for _ in range(3):
        with pytest.raises(RagError, match=r"BEAMS is 3; allowed: a whole number from 1 to 2"):
            client.ask(QUESTION, max_tokens=TOKENS, beams=3)
    assert client.ask(QUESTION, max_tokens=TOKENS, beams=2).text
