"""Tables of text on a terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["show_tables"]


def show_tables(console: Console, *tables: Sequence[Sequence[str]]) -> None:
    """Show tables whose first row is the heading; the first column is on the left, figures on the right."""
    for heading, *rows in tables:
        table = Table(box=box.SIMPLE)
        for number, column in enumerate(heading):
            table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        console.print(table)
