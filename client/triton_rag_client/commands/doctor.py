"""`triton-rag doctor`: what this machine has and lacks, and what to do about it."""

import dataclasses
import json
from itertools import chain
from typing import Annotated

import typer

from triton_rag_client.diagnosis import Finding, State, check_machine, check_packages, check_server

__all__ = ["doctor"]

_COLOURS = {State.OK: typer.colors.GREEN, State.NOTE: typer.colors.YELLOW, State.MISSING: typer.colors.RED}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this machine: ok, note (something does without it) or missing (serving does not work).

    Exit code: 0 when serving can work, 1 when it cannot. Nothing is downloaded or changed.
    """
    findings = list(chain(check_machine(), check_packages(), check_server()))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            _show(finding)
    if any(finding.state is State.MISSING for finding in findings):
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    state = typer.style(f"{finding.state:<8}", fg=_COLOURS[finding.state])
    typer.echo(f"{state} {finding.name:<15} {finding.detail}")
    if finding.advice:
        typer.echo(f"{'':<24} -> {finding.advice}")
