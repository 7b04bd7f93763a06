"""The commands of export: `build`, `compress`, `report`, `lint`, `evaluate`.

What is heavy is imported when a command runs.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from triton_rag_export.recipe import Recipe

__all__ = ["build", "compress", "evaluate", "lint", "report"]


def build(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    out: Annotated[Path, typer.Option(help="Folder of the repository; an older one there is replaced.")],
    quality_data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of judged data sets (passages.jsonl, questions.dev.jsonl) to measure the encoder on."
        ),
    ] = None,
    quality_limit: Annotated[
        int | None, typer.Option(min=1, help="Measure only so many questions of each data set.")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Where steps of compression are measured.  [default: build/NAME.ledger.jsonl]"),
    ] = None,
) -> None:
    """Build a model repository from a recipe; its steps of compression come first, as in `compress`."""
    from triton_rag_export.build.display import BuildDisplay, silence_library_bars
    from triton_rag_export.recipe import load_recipe

    loaded = load_recipe(recipe)
    silence_library_bars(loaded)
    with BuildDisplay() as display:
        from triton_rag_export.build import build as run

        report = run(
            loaded,
            out,
            display,
            quality_data=quality_data,
            quality_limit=quality_limit,
            ledger=ledger or ledger_path(loaded.name),
        )
    typer.echo(f"{out} is ready: {report.size_bytes / 1e6:,.0f} MB in {report.seconds:.1f} s")
    typer.echo(f"serve it:    triton-rag serve {out}")
    typer.echo(f"measure it:  triton-rag evaluate {out} --questions FILE")


def compress(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUES", help="A second key of --sweep.")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="JSON lines, to which a row a step is added.  [default: build/NAME.ledger.jsonl]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to put the torch models into: encoder/ and generator/.")
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="Instead, try values of [generator.distil] in short runs, and print a table: "
            "--sweep temperature=1,2,4,8 alpha=0.1,0.5,0.9",
        ),
    ] = None,
    sweep_steps: Annotated[int, typer.Option(min=1, help="Updates of each run of a sweep.")] = 100,
) -> None:
    """Compress a recipe's models step by step, and measure each step.

    Exit code: 0 when every step passed the recipe's gate, 1 when one did not or could not be run.
    """
    from triton_rag_export.build.display import BuildDisplay, silence_library_bars
    from triton_rag_export.recipe import load_recipe

    loaded = load_recipe(recipe)
    silence_library_bars(loaded)
    if sweep or more:
        _sweep(loaded, [*([sweep] if sweep else []), *(more or [])], sweep_steps)
        return
    with BuildDisplay() as display:
        from triton_rag_export.build import compress as run

        report = run(loaded, ledger or ledger_path(loaded.name), display, out=out)
    typer.echo(f"{len(report.rows)} rows in {report.ledger}, {report.seconds:.1f} s")
    for kind, model in report.models.items():
        typer.echo(f"{kind}: {model.source.folder if out is None else out / kind}")
    typer.echo(f"see them:  triton-rag report {report.ledger}")


def _sweep(recipe: "Recipe", words: list[str], steps: int) -> None:
    from triton_rag_export.build.display import BuildDisplay
    from triton_rag_export.build.sweeping import parse_sweep, sweep_generator

    values = parse_sweep(words)
    with BuildDisplay() as display:
        found = sweep_generator(recipe, values, steps, display)
    typer.echo(found.table())


def ledger_path(recipe: str) -> Path:
    """Where a recipe's ledger lies unless told otherwise."""
    return Path("build") / f"{recipe}.ledger.jsonl"


def report(
    ledger: Annotated[Path, typer.Argument(help="The file that `triton-rag compress` wrote.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the page and the plots.  [default: LEDGER with .report at the end]"),
    ] = None,
) -> None:
    """Show a ledger: a table here, one page of HTML with plots, and the plots as PNGs.

    Exit code: 0 when every model's last steps passed their gates, 1 when one did not or the ledger cannot be
    read.
    """
    from triton_rag_export.evaluate.ledger import read_rows
    from triton_rag_export.evaluate.ledger_report import ledger_state, print_state, write_report

    state = ledger_state(read_rows(ledger))
    print_state(state)
    files = write_report(state, out or ledger.with_name(f"{ledger.name}.report"), ledger.name)
    typer.echo(f"{files[0]} and {len(files) - 1} plots")
    if state.failures:
        raise typer.Exit(1)


def lint(
    repository: Annotated[Path, typer.Argument(help="The folder that `triton-rag build` wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check a repository without starting Triton."""
    from triton_rag_export.repository import lint as run

    findings = run(repository)
    if as_json:
        rows = [{"file": str(f.file), "problem": f.problem, "advice": f.advice} for f in findings]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo(f"{repository}: {len(findings) or 'no'} {'fault' if len(findings) == 1 else 'faults'}")
    if findings:
        raise typer.Exit(1)


def evaluate(
    repository: Annotated[Path, typer.Argument(help="The folder that `triton-rag build` wrote.")],
    questions: Annotated[
        Path, typer.Option(help="JSON lines: question, passage_id or relevant, optionally answers.")
    ],
    answers: Annotated[
        bool, typer.Option("--answers", help="Generate answers too, and compare them with the right ones.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="gRPC address of a running server.  [default: in this process]")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the report to this file too.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many questions.")] = None,
) -> None:
    """Measure what your own questions get: retrieval, and answers on request."""
    from triton_rag_export.errors import EvaluationError
    from triton_rag_export.evaluate import evaluate as run
    from triton_rag_export.evaluate.display import EvaluationDisplay, print_report, report_as_json

    with EvaluationDisplay() as display:
        report = run(repository, questions, display, with_answers=answers, url=url, limit=limit)
    print_report(report)
    if json_file is not None:
        try:
            json_file.write_text(report_as_json(report), encoding="utf-8")
        except OSError as error:
            raise EvaluationError(f"{json_file} cannot be written ({error}): name another file") from error
