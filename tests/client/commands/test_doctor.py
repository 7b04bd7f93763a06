import json

from triton_rag_client.diagnosis import packages
from triton_rag_server.missing_packages import install_command


def test_it_says_a_line_about_each_thing_and_leaves_with_0(command_line) -> None:
    left = command_line("doctor")
    assert left.code == 0
    names = ("Python", "Shared memory", "Serving", "ONNX Runtime", "tritonserver", "perf_analyzer")
    assert all(
        any(line.startswith(("ok", "note")) and name in line for line in left.out.splitlines())
        for name in names
    )


def test_something_that_serving_needs_makes_it_leave_with_1(command_line, monkeypatch) -> None:
    monkeypatch.setattr(packages, "_SERVE", {"no-such-package": "no_such_module"})
    left = command_line("doctor")
    assert left.code == 1
    assert "missing  Serving         not installed: no-such-package" in left.out
    assert f"-> {install_command('serve', 'cpu')}" in left.out


def test_it_is_read_by_programs_too(command_line) -> None:
    findings = json.loads(command_line("doctor", "--json").out)
    assert {"name", "state", "detail", "advice"} == set(findings[0])
