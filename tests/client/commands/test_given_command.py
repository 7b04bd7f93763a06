import shlex

from triton_rag_client.commands.given_command import given_command


def test_it_can_be_run_again() -> None:
    arguments = ["loadtest", "--slo", "p95<3s", "--report", "a folder"]
    assert shlex.split(given_command(arguments)) == ["triton-rag", *arguments]


def test_values_of_headers_are_left_out() -> None:
    shown = given_command(
        ["loadtest", "--header", "Authorization: Bearer s3cret", "--header=X-Key:s3cret", "--seed", "3"]
    )
    assert "s3cret" not in shown
    assert shlex.split(shown)[2:] == ["--header", "Authorization: …", "--header=X-Key: …", "--seed", "3"]
