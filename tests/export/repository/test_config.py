"""Configs are read and written as the message that Triton reads."""

from pathlib import Path

import pytest
from triton_rag_export.errors import RepositoryError
from triton_rag_export.repository import ConfigChanges, apply_changes, read_config, write_config
from triton_rag_export.served import model_repository_folder

CHANGES = ConfigChanges(max_batch_size=7, max_queue=9, embedding_size=11)
MODELS = sorted(path.parent.name for path in model_repository_folder().glob("*/config.pbtxt"))


@pytest.mark.parametrize("model", MODELS)
def test_a_committed_config_survives_reading_and_writing(model: str, tmp_path: Path) -> None:
    config = read_config(model_repository_folder() / model / "config.pbtxt")
    write_config(config, tmp_path / "config.pbtxt", note="what it is for\n\nand more")
    assert read_config(tmp_path / "config.pbtxt") == config
    assert (tmp_path / "config.pbtxt").read_text().startswith("# what it is for\n#\n# and more\n")


@pytest.mark.parametrize("model", MODELS)
def test_the_recipe_decides_batches_queues_and_the_size_of_vectors(model: str) -> None:
    config = read_config(model_repository_folder() / model / "config.pbtxt")
    takes_one = config.max_batch_size == 1
    is_limited = config.dynamic_batching.default_queue_policy.max_queue_size > 0
    apply_changes(config, CHANGES)
    assert config.max_batch_size == (1 if takes_one else 7)
    assert config.dynamic_batching.default_queue_policy.max_queue_size == (9 if is_limited else 0)
    for tensor in (*config.input, *config.output):
        if tensor.name == "EMBEDDING":
            assert list(tensor.dims) == [11]


def test_a_damaged_config_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_text('name: "x"\ninput [ { nam: "y" } ]\n')
    with pytest.raises(RepositoryError, match=r"config\.pbtxt:2:\d+"):
        read_config(path)
    with pytest.raises(RepositoryError, match="cannot be read"):
        read_config(tmp_path / "nothing.pbtxt")
