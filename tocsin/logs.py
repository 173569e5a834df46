"""The command `tocsin logs`: stored records and those that come, filtered, shown or counted."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from logging_core.errors import ConfigError
from logging_core.storage.log_files import Series, UnreadableError
from logging_core.streams.connection import connect, shown
from logging_core.streams.live import LiveStream
from rules.conditions import Condition
from rules.log_follow import Follower
from rules.log_query import LEVELS, Found, Query
from rules.log_search import Search, Source, close, open_sources, stored
from rules.moment import parse_moment
from tasks import settings
from tocsin.log_counts import Counts, fields_of
from tocsin.log_output import Output, Problems, progress

FOUND, NOTHING, BAD, STOPPED = 0, 1, 2, 130
EPILOG = (
    "Exit codes: 0 records were found, 1 none were, 2 bad use or a file that cannot be read, 130 Ctrl-C. "
    "Colours are for terminals, and not with NO_COLOR."
)

PAUSE = 0.1  #: seconds between two looks at files that are followed

_T = TypeVar("_T")


def command(  # each option of the command is an argument here
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Files or folders instead of LOG_DIR.")
    ] = None,
    *,
    service: Annotated[str | None, typer.Option(help="Of this service.")] = None,
    channel: Annotated[str | None, typer.Option(help="Of this channel: access, audit, ...")] = None,
    level: Annotated[str | None, typer.Option(help="Of this level and those above.")] = None,
    logger: Annotated[str | None, typer.Option(help="Of this logger and those below it.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="T", help="From then on: 2026-02-19T10:30 (UTC), 10m ago, today, yesterday.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Up to then.")] = None,
    trace: Annotated[str | None, typer.Option(metavar="ID", help="Of this trace_id.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COND", help="FIELD=VALUE; also != ~ !~ (regex) > >= < <=. Repeated: all of them."),
    ] = None,
    grep: Annotated[str | None, typer.Option(metavar="TEXT", help="With this text in any of its fields.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="The first N.")] = None,
    tail: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The last N, and with --follow what comes then.")
    ] = None,
    count_by: Annotated[
        str | None, typer.Option(metavar="FIELD,...", help="Count instead of showing; `time`: over time.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Then wait for more, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as they are stored.")] = False,
) -> None:
    """Show the records that are stored, in the order of time (in UTC), and with --follow those that come."""
    moment = partial(parse_moment, now=datetime.now(UTC))
    query = Query(
        service=service,
        channel=channel,
        level=None if level is None else _asked("--level", _level, level),
        logger=logger,
        since=None if since is None else _asked("--since", moment, since),
        until=None if until is None else _asked("--until", moment, until),
        trace=trace,
        where=tuple(_asked("--where", Condition.parse, each) for each in where or ()),
        text=grep,
    )
    counts = Counts(_asked("--count-by", fields_of, count_by)) if count_by is not None else None
    _refuse_together(
        ("--limit", limit is not None, "--tail", tail is not None and not follow),
        ("--count-by", counts is not None, "--follow", follow),
        ("--until", until is not None, "--follow", follow),
    )
    output = Output(as_json=as_json, counts=counts, limit=limit)
    run = Run(query, tuple(paths or ()), output, tail=tail)
    with _quiet_end(output):
        _raise_file_limit()
        if follow:
            run.follow()
        else:
            run.stored()
        output.finish()
    raise typer.Exit(BAD if run.problems.told else FOUND if output.found else NOTHING)


class Run:
    """One run of the command."""

    def __init__(self, query: Query, paths: tuple[Path, ...], output: Output, *, tail: int | None) -> None:
        self._query = query
        self._paths = paths
        self._output = output
        self._tail = tail
        self._live = False
        self.problems = Problems()

    def stored(self) -> None:
        """Show what the files have."""
        sources = open_sources(self._series, self._query, self.problems.tell)
        try:
            self._output.show(self._search(sources))
        finally:
            close(sources)
        self._tell_foreign(sources)

    def follow(self) -> None:
        """Show what the files have, then what comes."""
        self._live = True
        stream = None if self._paths else self._stream()
        sources = open_sources(self._series, self._query, self.problems.tell)
        for source in sources:
            if source.files:
                source.files[-1].keep_whole_lines()
        follower = Follower(sources, self._query, self._series, self.problems.tell)
        try:
            self._output.show(map(follower.noted, self._search(sources)))
            for file in (file for source in sources for file in source.files[:-1]):
                file.close()
            while not self._output.is_full and not self._output.is_abandoned():
                self._output.flush()
                if stream:
                    batches = stream.take(PAUSE)
                else:
                    time.sleep(PAUSE)
                    batches = []
                self._output.show(follower.added())
                self._output.show(follower.waiting(batches))
        finally:
            follower.close()
            self._tell_foreign(sources)

    def _stream(self) -> LiveStream:
        url = settings.load().redis_url
        away = f"Redis at {shown(url)} does not answer: only the files are followed"
        return LiveStream(partial(connect, url, connect_timeout=2, timeout=5), lambda: self.problems.note(away))

    def _search(self, sources: list[Source]) -> Iterator[Found]:
        total = sum(file.size for source in sources for file in source.files)
        with progress(total, counting=self._output.is_counting) as told:
            search = Search(sources, self._query, self.problems.tell, told)
            if self._tail is not None:
                yield from search.last(self._tail)
            elif self._output.is_counting and not self._output.is_limited:
                yield from search.in_any_order()
            else:
                yield from search.in_order()

    def _series(self) -> list[Series]:
        """The series that are read, as they are named now.

        What is not there is told.
        """
        found = []
        for path in self._paths or (settings.load().log_dir,):
            try:
                if path.is_dir() or not self._paths:
                    found += stored(path, self._query, live=self._live, ours=not self._paths)
                else:
                    found.append(Series(path.name, path.parent, None, (path,)))
            except UnreadableError as error:
                self.problems.tell(f"{error}{'' if self._paths else ' (LOG_DIR)'}")
        return found

    def _tell_foreign(self, sources: list[Source]) -> None:
        counted = {str(source.series.folder / source.series.name): source.selection.foreign for source in sources}
        if total := sum(counted.values()):
            where = ", ".join(f"{name}: {number:,}" for name, number in counted.items() if number)
            typer.echo(f"{total:,} lines are no JSON records and were left out ({where})", err=True)


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise ValueError(f"{text!r} is no level; known are {', '.join(LEVELS)}")
    return text.upper()


def _asked(option: str, read: Callable[[str], _T], text: str) -> _T:
    try:
        return read(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _refuse_together(*pairs: tuple[str, bool, str, bool]) -> None:
    for one, has_one, other, has_other in pairs:
        if has_one and has_other:
            raise typer.BadParameter(f"does not go together with {other}", param_hint=one)


@contextmanager
def _quiet_end(output: Output) -> Iterator[None]:
    """A reader that has gone (`| head`) and Ctrl-C end us without a word; mistakes in the settings are bad use."""
    try:
        yield
    except BrokenPipeError:
        output.abandon()
        raise typer.Exit(FOUND) from None
    except KeyboardInterrupt:
        try:
            output.flush()
        except BrokenPipeError:
            output.abandon()
        raise typer.Exit(STOPPED) from None
    except ConfigError as error:
        typer.echo(error, err=True)
        raise typer.Exit(BAD) from None


def _raise_file_limit() -> None:
    """All files are open at once, which may be more than a shell allows at first."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
