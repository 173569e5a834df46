"""The command `tocsin analyze`: what failed, by log files of any layout. It needs no settings and no Redis."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from recovery.diagnosis import diagnose, found_types
from recovery.runbook import load_runbooks
from rules.analysis import Analysis, analyze
from rules.errors import ConfigError
from rules.patterns import LIBRARY, load_patterns
from rules.reading.opening import STANDARD_INPUT, is_pipe
from rules.reading.paths import expand
from rules.scanner import Scanner
from tocsin import abandoned
from tocsin.analysis_json import JsonView
from tocsin.analysis_view import View
from tocsin.progress import progress
from tocsin.shown_event import shown_text

NOTHING, FOUND, BAD, INCOMPLETE, STOPPED = 0, 1, 2, 3, 130
EPILOG = (
    "Exit codes: 0 no failure was found, 1 some were, 2 bad use (no such file, a mistake in a pattern file), "
    "3 something could not be read to its end, or printed, 130 Ctrl-C. "
    "Colours are for terminals, and not with NO_COLOR."
)
LIMIT = 1000  #: events that are shown one by one, where nothing else is said


def command(  # each option of the command is an argument here
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders, or - for standard input.")],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; with --follow, also one for each event.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show each group and each event.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show each event, then those that come; Ctrl-C: the summary.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, metavar="N", help="The first N events are shown or printed; all are counted.")
    ] = LIMIT,
    patterns: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Error types besides those we know. Repeated: all.")
    ] = None,
    zone: Annotated[
        str, typer.Option(metavar="ZONE", help="Of times that do not say theirs, such as Europe/Paris.")
    ] = "UTC",
    mmap: Annotated[
        bool, typer.Option("--mmap/--no-mmap", help="Map files that nobody writes to; reading them is faster.")
    ] = False,
) -> None:
    """Find the failures in log files, plain or packed: what, how often, since when, where, and what to do."""
    _refuse(paths, follow=follow)
    times_in = _zone(zone)
    view = JsonView(zone=zone, limit=limit) if as_json else View(colour=_is_coloured(), verbose=verbose)
    _take_any_text(is_json=as_json)
    with _quiet_end():
        try:
            scanner = Scanner(load_patterns((*sorted(LIBRARY.glob("*.yml")), *patterns) if patterns else ()))
        except ConfigError as error:
            typer.echo(error, err=True)
            raise typer.Exit(BAD) from None
        if follow:
            analysis = _followed(paths, scanner, times_in, view)
        else:
            analysis = _analyzed(paths, scanner, limit, times_in, mmap=mmap)
        advice = diagnose(found_types(analysis), {type_: runbook.actions for type_, runbook in load_runbooks().items()})
        _print(view.lines(analysis, advice))
    raise typer.Exit(INCOMPLETE if analysis.problems else FOUND if analysis.summary else NOTHING)


def _analyzed(paths: list[str], scanner: Scanner, limit: int, zone: tzinfo, *, mmap: bool) -> Analysis:
    unlisted: list[OSError] = []
    files = expand(paths, unlisted.append)
    with progress("reading", _size(files)) as tell:
        analysis = analyze(files, scanner, limit=limit, zone=zone, mmap=mmap, progress=tell)
    analysis.problems[:0] = map(str, unlisted)
    for problem in analysis.problems:
        _tell(problem)
    return analysis


def _followed(paths: list[str], scanner: Scanner, zone: tzinfo, view: View | JsonView) -> Analysis:
    """Show events as they come, to the end of a pipe, Ctrl-C or until nobody reads; a second Ctrl-C ends it at once."""
    from tocsin.live_analysis import LiveAnalysis

    is_asked = False

    def stop(*_: object) -> None:
        nonlocal is_asked
        is_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, stop)
    live = LiveAnalysis(paths, scanner, zone)
    for events in live.events(lambda: is_asked or abandoned.is_abandoned(sys.stdout), _tell):
        _print(line for event in events for line in view.event(event))
    return live.analysis


def _take_any_text(*, is_json: bool) -> None:
    """Lets what a terminal's encoding does not have be printed; JSON is in UTF-8 everywhere."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8" if is_json else None, errors="backslashreplace")


def _print(lines: Iterable[str]) -> None:
    try:
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # the disk is full
        abandoned.abandon(sys.stdout)
        _tell(f"standard output: {error.strerror}")
        raise typer.Exit(INCOMPLETE) from None


def _tell(problem: str) -> None:
    typer.echo(shown_text(problem), err=True)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise typer.BadParameter(f"{name!r} is no time zone such as Europe/Paris", param_hint="--zone") from None


def _refuse(paths: list[str], *, follow: bool) -> None:
    for path in paths:
        if follow and is_pipe(path) and len(paths) > 1:
            raise typer.BadParameter(f"{path} is followed alone, without other paths", param_hint="--follow")
        if path != STANDARD_INPUT and not os.path.lexists(path):
            raise typer.BadParameter(f"{path}: no such file or folder", param_hint="PATH")


def _size(files: list[str]) -> int | None:
    """The bytes of them all; None where one is a pipe."""
    try:
        return sum(os.stat(path).st_size for path in files)  # noqa: PTH116  # names as they were given
    except OSError:
        return None


def _is_coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextmanager
def _quiet_end() -> Iterator[None]:
    """A reader that has gone (`| head`) and Ctrl-C end us without a word."""
    try:
        yield
    except BrokenPipeError:
        abandoned.abandon(sys.stdout)
        raise typer.Exit(FOUND) from None
    except KeyboardInterrupt:
        raise typer.Exit(STOPPED) from None
