"""What a killed build leaves goes away with the next one, and what another build is filling stays."""

import os
import subprocess
import sys
from pathlib import Path

from triton_rag_export.build.workplace import LEAST_AGE_S, moved_aside, workplace

KILLED = """
import os, sys
from pathlib import Path
from triton_rag_export.build.workplace import workplace
with workplace(Path(sys.argv[1])) as folder:
    (folder / "half").touch()
    print(folder, flush=True)
    os._exit(1)
"""


def age(folder: Path) -> None:
    """Make a folder older than what is left alone."""
    made = folder.stat().st_mtime - 2 * LEAST_AGE_S
    os.utime(folder, (made, made))


def killed_workplace(target: Path) -> Path:
    run = subprocess.run([sys.executable, "-c", KILLED, str(target)], capture_output=True, text=True)
    folder = Path(run.stdout.strip())
    age(folder)
    return folder


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = killed_workplace(tmp_path / "out")
    assert (left / "half").is_file()
    with workplace(tmp_path / "other"):
        assert not left.exists()


def test_what_another_build_is_filling_stays(tmp_path: Path) -> None:
    with workplace(tmp_path / "out") as first:
        age(first)
        with workplace(tmp_path / "out") as second:
            assert first.is_dir()
            assert second != first
    assert list(tmp_path.iterdir()) == []


def test_an_older_repository_that_was_moved_aside_goes_only_when_its_place_is_taken(tmp_path: Path) -> None:
    left = killed_workplace(tmp_path / "out")
    old = moved_aside(left)
    left.rename(old)
    with workplace(tmp_path / "out"):
        assert old.is_dir()
    (tmp_path / "out").mkdir()
    with workplace(tmp_path / "out"):
        assert not old.exists()
