"""The library of operators, compiled once a machine from `source/` by the C compiler in package `ziglang`.

A pinned compiler from the package index instead of whatever a machine has: the same source gives the same
instructions everywhere, and a laptop without a compiler builds too. The arithmetic is compiled once for each
instruction set; the library chooses when it is loaded, so a repository may serve on another processor than it
was built on, of the same architecture. It asks for no newer C library than `_C_LIBRARY`.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from generation.session import KERNELS_FILE
from triton_rag_server import ServerNotFoundError, cache_folder, locked, writable_folder

from triton_rag_export.errors import BuildError

_SOURCE = Path(__file__).parent / "source"
_C_LIBRARY = "linux-gnu.2.17"
_OPERATORS = (
    "operators.c",
    "linear_operator.c",
    "attention_operators.c",
    "cached_attention.c",
    "source_attention.c",
    "embedding_operator.c",
    "pooling_operator.c",
)
_OPTIONS = ("-std=c11", "-O3", "-fPIC", "-fno-math-errno", "-fno-sanitize=all", "-Wall", "-Werror")

_INSTRUCTION_SETS = {
    "x86_64": {
        "generic": "x86_64",
        "avx2": "x86_64_v3",
        "avx_vnni": "x86_64_v3+avxvnni",
        "avx512_vnni": "x86_64_v4+avx512vnni",
    },
    "aarch64": {"generic": "generic"},
}
"""The arithmetic's variants of each architecture, and what the compiler calls their processors."""


def install_kernels(folder: Path) -> Path:
    """Put the library into a version folder, beside the graph that needs it.

    One that lies there already is replaced, not written over: a process may have it loaded.

    Raises:
        BuildError: it cannot be compiled here.
    """
    target = folder / KERNELS_FILE
    copied = target.with_suffix(".new")
    shutil.copyfile(kernel_library(), copied)
    return copied.replace(target)


def kernel_library() -> Path:
    """The library in the cache folder; compiled, in some ten seconds, when it is not there yet.

    Raises:
        BuildError: this architecture has no variant, the compiler is missing, or it fails.
    """
    try:
        folder = writable_folder(cache_folder() / "kernels" / kernel_fingerprint())
    except ServerNotFoundError as error:
        raise BuildError(str(error)) from error
    target = folder / KERNELS_FILE
    with locked(folder / "lock"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix="compiling-") as work:
                _compile(platform.machine(), Path(work)).rename(target)
    return target


def kernel_fingerprint() -> str:
    """Names what the library is made from: architecture, source, compiler, options.

    Raises:
        BuildError: this architecture has no variant, or the compiler is missing.
    """
    machine = platform.machine()
    if machine not in _INSTRUCTION_SETS:
        known = ", ".join(_INSTRUCTION_SETS)
        raise BuildError(f"no operators for the architecture {machine!r}; there are some for {known}")
    digest = hashlib.blake2b(digest_size=12)
    for path in sorted(_SOURCE.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(repr((_OPTIONS, _C_LIBRARY, _INSTRUCTION_SETS[machine], _compiler_version())).encode())
    return f"{machine}-{digest.hexdigest()}"


def _compiler_version() -> str:
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError("the C compiler is missing: pip install ziglang, or install the extra `export`")
    return version("ziglang")


def _compile(machine: str, work: Path) -> Path:
    """Compile every variant, as many at a time as there are cores, and link them."""
    variants = _INSTRUCTION_SETS[machine]
    target = ("-target", f"{machine}-{_C_LIBRARY}", *_OPTIONS)

    def compile_variant(name: str) -> str:
        made = work / f"{name}.o"
        options = (f"-mcpu={variants[name]}", f"-DCOMPUTE=compute_{name}", "-c", str(_SOURCE / "compute.c"))
        _run([*target, *options, "-o", str(made)], work)
        return str(made)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_variant, variants))
    made = work / KERNELS_FILE
    sources = [str(_SOURCE / name) for name in _OPERATORS]
    _run([*target, "-shared", "-s", *sources, *objects, "-o", str(made)], work)
    return made


def _run(arguments: list[str], work: Path) -> None:
    own_cache = str(work / "zig")  # a home folder may not be writable
    environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": own_cache, "ZIG_LOCAL_CACHE_DIR": own_cache}
    command = [sys.executable, "-m", "ziglang", "cc", *arguments]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise BuildError(f"the operators do not compile: {finished.stderr.strip()[-2000:]}")
