"""Where found records go: lines on stdout, and word of what went wrong on stderr."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from rules.log_query import Found
from tocsin import abandoned
from tocsin.log_counts import Counts
from tocsin.log_view import shown

SLOW = 64 * 1024 * 1024  #: bytes; whoever reads more is told how far it is


class Output:
    """Prints records, or counts them, up to a limit."""

    def __init__(self, *, as_json: bool, counts: Counts | None, limit: int | None) -> None:
        self._as_json = as_json
        self._counts = counts
        self._left = limit
        self._stream = sys.stdout.buffer
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.found = False

    @property
    def is_counting(self) -> bool:
        """Whether nothing is printed before the end."""
        return self._counts is not None

    @property
    def is_limited(self) -> bool:
        """Whether only so many are wanted."""
        return self._left is not None

    @property
    def is_full(self) -> bool:
        """Whether as many were printed as were asked for."""
        return self._left == 0

    def show(self, records: Iterable[Found]) -> None:
        """Print records, or count them."""
        if self.is_full:
            return
        for found in records:
            self.found = True
            if self._counts is not None:
                self._counts.add(found)
            else:
                self._stream.write(self._line(found))
            if self._left is not None:
                self._left -= 1
                if self.is_full:
                    break

    def flush(self) -> None:
        """Have all that was printed seen."""
        self._stream.flush()

    def is_abandoned(self) -> bool:
        """Whether whoever read what we print has gone."""
        return abandoned.is_abandoned(self._stream)

    def abandon(self) -> None:
        """What is not printed yet goes nowhere."""
        abandoned.abandon(self._stream)

    def finish(self) -> None:
        """Print the counts, if records were counted."""
        if self._counts is not None:
            lines = [orjson.dumps(self._counts.as_dict()).decode()] if self._as_json else self._counts.lines()
            self._stream.writelines(line.encode("utf-8", "backslashreplace") + b"\n" for line in lines)
        self.flush()

    def _line(self, found: Found) -> bytes:
        if self._as_json:
            return found.line + b"\n"
        return shown(found, colour=self._colour).encode()


class Problems:
    """What went wrong, told once each on stderr."""

    def __init__(self) -> None:
        self.told: set[str] = set()
        self._noted: set[str] = set()

    def tell(self, problem: str) -> None:
        """Tell of one."""
        self.told.add(problem)
        self.note(problem)

    def note(self, text: str) -> None:
        """Say what is no failure, but good to know."""
        if text not in self._noted:
            self._noted.add(text)
            typer.echo(text, err=True)


@contextmanager
def progress(total: int, *, counting: bool) -> Iterator[Callable[[int], object]]:
    """Shows how many bytes were read, on a terminal that shows nothing else meanwhile."""
    if total < SLOW or not sys.stderr.isatty() or (sys.stdout.isatty() and not counting):
        yield lambda count: None
        return
    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.advance(task, count)
