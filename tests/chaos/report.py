"""The table that `make chaos` prints: the fault, what is to hold, what was found."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.chaos.scenario import Row
from tests.chaos.scenarios import TABLE

HELD = {True: "[green]yes[/]", False: "[bold red]no[/]", None: "skipped"}


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the rows, and below them why some did not hold."""
    table = Table("fault", "to hold", title="Faults, and what became of every accepted record", show_lines=False)
    for title in ("accepted", "lost", "twice", "refused", "slowest call", "back after", "alert after", "held", "took"):
        table.add_column(title, justify="right", no_wrap=True)
    by_fault = {row.fault: row for row in rows}
    for heading, scenarios in TABLE.items():
        found = [(each, by_fault[each.fault]) for each in scenarios if each.fault in by_fault]
        if found:
            table.add_section()
            table.add_row(f"[bold]{heading}[/]")
        for scenario, row in found:
            table.add_row(f"  {row.fault}", scenario.to_hold, *_cells(row))
    console.print(table)
    console.print(
        "Lost and twice: by the files against the ledgers that the applications keep, never by Tocsin's own word; its "
        "account is compared with both, all the while. Every line of the files must be whole. The slowest call is "
        "without the time in which its thread could have run, and the machine ran others; with it in brackets."
    )
    for row in rows:
        for reason in row.why:
            console.print(f"{row.fault}: {reason}", markup=False)


def _cells(row: Row) -> Sequence[str]:
    found = row.findings
    counts = (found.accepted, found.lost, found.duplicated, found.refused)
    times = (_seconds(found.back_s), _seconds(found.alert_s))
    numbers = [*(f"{count:,}" for count in counts), f"{found.slowest_own_ms:.1f} ({found.slowest_ms:.0f}) ms", *times]
    return [*([""] * len(numbers) if row.held is None else numbers), HELD[row.held], f"{row.seconds:.0f} s"]


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
