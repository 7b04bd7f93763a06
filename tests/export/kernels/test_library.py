"""The library of operators: compiled once, replaced without hurting who uses it, and clear errors."""

import ctypes
import os
import platform
import re
import sys
from pathlib import Path

import pytest
from generation.session import KERNELS_FILE
from triton_rag_export.errors import BuildError
from triton_rag_export.kernels import install_kernels, kernel_fingerprint, kernel_library, library
from triton_rag_server.cache_folder import CACHE_VARIABLE

SOUND = "int answer(void) { return 42; }"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source that compiles in a moment, and a cache folder of its own."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "compute.c").write_text("int COMPUTE(void) { return 1; }")
    (folder / "operators.c").write_text(SOUND)
    monkeypatch.setattr(library, "_SOURCE", folder)
    monkeypatch.setattr(library, "_OPERATORS", ("operators.c",))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return folder


def cached(tmp_path: Path) -> list[str]:
    """What lies in the cache, without the folders' names."""
    return sorted(path.name for path in (tmp_path / "cache" / "kernels").glob("*/*"))


def test_a_library_is_compiled_once_and_found_again(source: Path, tmp_path: Path) -> None:
    compiled = kernel_library()
    identity = compiled.stat().st_ino, compiled.stat().st_mtime_ns

    assert kernel_library() == compiled
    assert (compiled.stat().st_ino, compiled.stat().st_mtime_ns) == identity
    assert cached(tmp_path) == [KERNELS_FILE, "lock"]
    assert ctypes.CDLL(str(compiled)).answer() == 42


def test_what_decides_about_a_library_is_in_its_name(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for machine in ("aarch64", "x86_64"):
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        names.append(kernel_fingerprint())
    (source / "operators.c").write_text(SOUND.replace("42", "43"))
    names.append(kernel_fingerprint())
    (source / "more.h").touch()
    names.append(kernel_fingerprint())
    monkeypatch.setattr(library, "_OPTIONS", (*library._OPTIONS, "-g"))
    names.append(kernel_fingerprint())
    monkeypatch.setattr(library, "version", lambda package: f"another {package}")
    names.append(kernel_fingerprint())

    assert len(set(names)) == len(names)
    assert kernel_fingerprint() == names[-1]


def test_a_source_that_does_not_compile_is_told_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    (source / "operators.c").write_text("int answer(void) { return nowhere; }")
    with pytest.raises(BuildError, match=r"operators do not compile: .*'nowhere'"):
        kernel_library()
    assert cached(tmp_path) == ["lock"]


def test_a_missing_compiler_is_told_with_what_to_install(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(BuildError, match="pip install ziglang, or install the extra `export`"):
        kernel_library()


def test_a_machine_without_operators_is_told_with_those_that_have_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(BuildError, match="'riscv64'; there are some for x86_64, aarch64"):
        kernel_library()


def test_a_cache_that_cannot_be_written_is_told(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(source / "operators.c"))
    with pytest.raises(BuildError, match=f"cannot be written .*: set {CACHE_VARIABLE}"):
        kernel_library()


def test_installing_again_leaves_a_loaded_library_alone(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    loaded = ctypes.CDLL(str(install_kernels(folder)))
    with (folder / KERNELS_FILE).open("rb") as first:
        before = first.read()
        (source / "operators.c").write_text(SOUND.replace("42", "43"))

        install_kernels(folder)

        first.seek(0)
        assert first.read() == before
        assert (folder / KERNELS_FILE).stat().st_ino != os.fstat(first.fileno()).st_ino
    assert [path.name for path in folder.iterdir()] == [KERNELS_FILE]
    assert loaded.answer() == 42
    assert (folder / KERNELS_FILE).read_bytes() == kernel_library().read_bytes() != before


@pytest.mark.parametrize(("machine", "code"), [("x86_64", 62), ("aarch64", 183)])
def test_the_operators_compile_for_every_machine_and_old_systems(
    machine: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    content = kernel_library().read_bytes()
    assert content[:4] == b"\x7fELF"
    assert int.from_bytes(content[18:20], "little") == code
    versions = {tuple(map(int, each)) for each in re.findall(rb"GLIBC_(\d+)\.(\d+)", content)}
    assert versions
    assert max(versions) <= (2, 17)
