"""The table that `make chaos` prints."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.chaos.scenario import Row

HELD = {True: "[green]yes[/]", False: "[bold red]no[/]", None: "skipped"}


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the rows, and below them why some did not hold."""
    table = Table("fault", title="Faults, and what became of every accepted record")
    for title in ("accepted", "refused", "lost", "twice", "slowest call ms", "back after s", "held", "took s"):
        table.add_column(title, justify="right")
    for row in rows:
        found = row.findings
        back = "" if found.back_s is None else f"{found.back_s:.1f}"
        counts = (found.accepted, found.refused, found.lost, found.duplicated)
        cells = [*(f"{count:,}" for count in counts), f"{found.slowest_ms:.1f}", back]
        table.add_row(row.fault, *cells, HELD[row.held], f"{row.seconds:.0f}")
    console.print(table)
    for row in rows:
        for reason in row.why:
            console.print(f"{row.fault}: {reason}", markup=False)
