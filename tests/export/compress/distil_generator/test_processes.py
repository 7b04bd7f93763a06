"""Two processes on the processor distil what one distils: the same curve of the loss, the same student."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from export.compress.distil_generator import launched_distillation
from export.compress.distil_generator.small_distillation import save_teacher, write_texts
from safetensors.torch import load_file

TESTS = Path(__file__).parents[3]
CONFIGURATIONS = TESTS.parent / "recipes" / "accelerate"
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
ENVIRONMENT |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

Weights = dict[str, torch.Tensor]


def distilled(folder: Path, name: str, *launcher: str, **environment: str) -> tuple[list[float], Weights]:
    """The loss of every step, and the student's weights."""
    command = [sys.executable, *launcher, launched_distillation.__file__, str(folder / "teacher")]
    command += [str(folder / name), str(folder / f"{name}-work"), str(folder / "texts.jsonl")]
    command += ["cached_tokens=20"] if "cached" in name else []
    done = subprocess.run(
        command, capture_output=True, text=True, env=ENVIRONMENT | environment, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(rows) == launched_distillation.STEPS
    return [row["loss"] for row in rows], load_file(folder / name / "model.safetensors")


def launcher(configuration: str) -> tuple[str, ...]:
    path = CONFIGURATIONS / configuration
    return "-m", "accelerate.commands.launch", "--config_file", str(path), "--main_process_port=0"


def assert_alike(found: tuple[list[float], Weights], expected: tuple[list[float], Weights]) -> None:
    assert found[0] == pytest.approx(expected[0], rel=1e-4)
    assert found[1].keys() == expected[1].keys()
    for name, tensor in expected[1].items():
        torch.testing.assert_close(found[1][name], tensor, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["live", "cached"])
def test_two_processes_of_whole_models(tmp_path: Path, name: str) -> None:
    save_teacher(tmp_path / "teacher")
    write_texts(tmp_path / "texts.jsonl")
    one = distilled(tmp_path, f"{name}-one")
    two = distilled(tmp_path, f"{name}-two", *launcher("ddp.yaml"), ACCELERATE_USE_CPU="true")
    assert_alike(two, one)


@pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="deepspeed is not installed")
@pytest.mark.parametrize("stage", [2, 3])
def test_two_processes_with_a_shard_each(tmp_path: Path, stage: int) -> None:
    save_teacher(tmp_path / "teacher")
    write_texts(tmp_path / "texts.jsonl")
    one = distilled(tmp_path, "one")
    two = distilled(tmp_path, "two", *launcher(f"deepspeed-zero{stage}.yaml"), DS_ACCELERATOR="cpu")
    assert_alike(two, one)
