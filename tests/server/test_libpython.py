"""The check of Python's shared library, as the Makefile runs it before anything is installed."""

import subprocess
import sys

from triton_rag_server import libpython


def test_the_check_runs_on_a_bare_interpreter() -> None:
    done = subprocess.run([sys.executable, "-I", libpython.__file__], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_library_is_named_with_the_package_that_brings_it() -> None:
    elsewhere = (
        "import sys, sysconfig; sysconfig.get_config_var = lambda _: None; sys.base_prefix = '/nowhere'"
    )
    run = f"{elsewhere}; import runpy; runpy.run_path({libpython.__file__!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-c", run], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"libpython{version}.so.1.0 is missing" in done.stderr
    assert f"sudo apt-get install libpython{version};" in done.stderr
