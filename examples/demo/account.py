"""The account at the end: what the customers know, what is in the file, what Tocsin says of itself, who was told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from examples.demo.ledger import Ledger, Written
from examples.demo.news import News, new_errors, repeated, wait_ms


@dataclass(frozen=True, slots=True)
class Figures:
    """The last line of the demo."""

    accepted: int = 0  #: by Tocsin's own account
    written: int = 0  #: likewise
    lost: int | None = None  #: by the ledger and the file; None: the demo did not come so far
    duplicated: int | None = None  #: likewise
    alert_ms: int | None = None  #: median from the log call of a new error to the message at Slack
    slack: int = 0  #: messages
    mail: int = 0  #: messages
    scan_errors: int = 0  #: lines
    recovered: int = 0  #: attempts that were seen to help


def figures(
    status: Mapping[str, Any], ledger: Ledger, written: Written, told: Sequence[News], *, slack: int, mail: int
) -> Figures:
    """All in one; `slack` and `mail` are numbers of messages."""
    return Figures(
        accepted=status["accepted"],
        written=status["written"],
        lost=written.lost(ledger.marks),
        duplicated=written.duplicated(ledger.marks),
        alert_ms=wait_ms(written.errors, new_errors(told)),
        slack=slack,
        mail=mail,
        scan_errors=sum(status["scan"]["events"].values()),
        recovered=status["recovery"].get("healed", 0),
    )


def mistakes(
    found: Figures, ledger: Ledger, written: Written, told: Sequence[News], *, errors: set[str], processes: int
) -> Iterator[tuple[str, str]]:
    """The stages that did not do their work, and why; `errors` are the types that the story has brought about."""
    if found.lost or found.duplicated:
        yield "files", f"{found.lost} records lost, {found.duplicated} duplicated"
    if not found.accepted == found.written == ledger.records:
        yield "status", f"{found.accepted} accepted and {found.written} written, of {ledger.records}"
    if len(written.processes) != processes:
        yield "shop", f"its records came from the processes {sorted(written.processes)}"
    if written.errors.keys() != errors:
        yield "shop", f"other errors than the story's: {sorted(written.errors.keys() ^ errors)}"
    if again := repeated(told):
        yield "Slack", f"told again: {again}"
