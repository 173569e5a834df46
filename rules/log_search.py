"""A query over stored records: which files are read, and what answers, in the order of time.

In a series records stand as they arrived. Late ones (of an outage, for one) are at most a day late, since no spool
keeps them longer: so much is allowed for before a whole file is left out by its first or its last record. The series
are merged by their timestamps; what is out of order by fewer than `WINDOW` records is put in order.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from pathlib import Path

from logging_core.storage.log_files import LogFile, Series, UnreadableError, series_below
from rules.log_query import LEVELS, Found, Query, Selection, decode, moment_of

LATE = timedelta(days=1)  #: a record is at most so much older than when it was written
SKEW = timedelta(minutes=1)  #: the clocks of hosts agree to this
WINDOW = 1000  #: records
_TRIES = 5  # so often files are opened anew because they were rotated meanwhile


@dataclass(slots=True)
class Source:
    """A series that is read, and what is looked for in it."""

    series: Series
    files: list[LogFile]  #: the oldest first
    selection: Selection


def stored(folder: Path, query: Query, *, live: bool = False, ours: bool = True) -> list[Series]:
    """The series below a folder that a query reads: each record is in one of them.

    Every record is in `app.log`. Where a channel or errors are asked for, the file that holds these alone is read
    instead, which mostly goes further back; but not `live`, since it may only come to be later. A folder that is not
    `ours` and has no `app.log` is read whole.

    Raises:
        UnreadableError: the folder cannot be listed.
    """
    try:
        found = series_below(folder)
    except OSError as error:
        raise UnreadableError(f"{folder}: {error.strerror}") from error
    chosen = []
    for parent in dict.fromkeys(series.folder for series in found):
        here = [series for series in found if series.folder == parent]
        if query.service is None or here[0].service in (None, query.service):
            chosen += _chosen(here, query, live=live, ours=ours)
    return chosen


def _chosen(here: list[Series], query: Query, *, live: bool, ours: bool) -> list[Series]:
    kinds = {series.kind for series in here}
    if not ours and "app" not in kinds:
        return here
    wanted = "app"
    if query.channel is not None:
        wanted = query.channel
    elif query.level and LEVELS[query.level] >= LEVELS["ERROR"]:
        wanted = "errors"
    if live or wanted not in kinds:
        wanted = "app"
    return [series for series in here if series.kind == wanted or series.name.endswith(".jsonl")]


def open_sources(
    list_series: Callable[[], list[Series]], query: Query, report: Callable[[str], object]
) -> list[Source]:
    """Open all files as they stand at one moment; what cannot be opened is reported, and the others are read."""
    for last in (*[False] * (_TRIES - 1), True):
        problems: list[str] = []
        sources = [
            Source(each, _open(each, problems), Selection(of_series(query, each.service))) for each in list_series()
        ]
        if last or all(_is_unmoved(source) for source in sources):
            for problem in problems:
                report(problem)
            return sources
        close(sources)
    return []


def close(sources: Iterable[Source]) -> None:
    """Let go of all files."""
    for source in sources:
        for file in source.files:
            file.close()


def of_series(query: Query, service: str | None) -> Query:
    """The folder of a service holds its records alone, whatever they say."""
    return replace(query, service=None) if service is not None else query


def _open(series: Series, problems: list[str]) -> list[LogFile]:
    files = []
    for path in series.paths:
        try:
            files.append(LogFile(path))
        except UnreadableError as error:
            problems.append(str(error))
    return files


def _is_unmoved(source: Source) -> bool:
    """Whether each file still has the name that it had; one that is gone was not opened, or is open."""
    with suppress(FileNotFoundError):
        for file in source.files:
            status = file.path.stat()
            if (status.st_dev, status.st_ino) != file.identity:
                return False
        return len(source.files) == len(source.series.paths) or all(path.exists() for path in source.series.paths)
    return False


class Search:
    """One search through open sources."""

    def __init__(
        self,
        sources: list[Source],
        query: Query,
        report: Callable[[str], object],
        progress: Callable[[int], object] = lambda count: None,
    ) -> None:
        self._sources = sources
        self._query = query
        self._report = report
        self._progress = progress

    def in_order(self) -> Iterator[Found]:
        """What answers, the oldest first."""
        merged = heapq.merge(*map(self._forward, self._sources), key=lambda found: found.when)
        return _settled(merged)

    def in_any_order(self) -> Iterator[Found]:
        """What answers, for those who only count it."""
        return chain.from_iterable(map(self._forward, self._sources))

    def last(self, wanted: int) -> list[Found]:
        """The newest that answer, the oldest of them first; read from the ends of the files."""
        found = [each for source in self._sources for each in self._newest(source, wanted)] if wanted else []
        return sorted(found, key=lambda each: each.when)[-wanted:] if wanted else []

    def _forward(self, source: Source) -> Iterator[Found]:
        when = ""
        for file in source.files:
            for each in self._of_file(file, source.selection):
                when = each.when or when  # what has no time goes with what stands before it
                yield each if each.when else each._replace(when=when)

    def _newest(self, source: Source, wanted: int) -> Iterator[Found]:
        groups: list[list[Found]] = []
        missing = wanted
        for file in reversed(source.files):
            if file.packing:
                groups.append(list(deque(self._of_file(file, source.selection), missing)))
                missing -= len(groups[-1])
            elif self._may_answer(file):
                for block in self._guarded(file, file.blocks_backward(self._progress)):
                    groups.append(list(source.selection.of(block))[-missing:])
                    missing -= len(groups[-1])
                    if missing <= 0:
                        break
            if missing <= 0:
                break
        when = ""
        for each in (found for group in reversed(groups) for found in group):
            when = each.when or when
            yield each if each.when else each._replace(when=when)

    def _of_file(self, file: LogFile, selection: Selection) -> Iterator[Found]:
        if not self._may_answer(file):
            self._progress(file.size)
            return
        for block in self._guarded(file, file.blocks(self._progress)):
            yield from selection.of(block)

    def _guarded(self, file: LogFile, blocks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from blocks
        except UnreadableError as error:
            self._report(str(error))

    def _may_answer(self, file: LogFile) -> bool:
        """Whether a record of the time that is asked for may be in a file."""
        since, until = self._query.since, self._query.until
        if since and (file.modified < since - SKEW or _before(file.last_line(), since - LATE)):
            return False
        return not (until and _after(file.first_line(), until + LATE))


def _before(line: bytes, moment: datetime) -> bool:
    when = _moment(line)
    return when is not None and when < moment


def _after(line: bytes, moment: datetime) -> bool:
    when = _moment(line)
    return when is not None and when > moment


def _moment(line: bytes) -> datetime | None:
    fields = decode(line) if line else None
    when = moment_of(fields) if fields else ""
    return datetime.fromisoformat(when).replace(tzinfo=UTC) if when else None


def _settled(found: Iterable[Found]) -> Iterator[Found]:
    """In order, also where it was not quite."""
    waiting: list[tuple[str, int, Found]] = []
    number = count()
    for each in found:
        entry = each.when, next(number), each
        if len(waiting) < WINDOW:
            heapq.heappush(waiting, entry)
        else:
            yield heapq.heappushpop(waiting, entry)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
