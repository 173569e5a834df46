"""One log file, or a range of it, read from where it was read to; what is found is committed with how far it came."""

import os
import time
from collections.abc import Mapping
from datetime import UTC, tzinfo
from functools import cache, lru_cache
from math import inf
from pathlib import Path
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

import redis

from logging_core.streams.stream import Change, shard_key
from recovery import due
from recovery.actions.clean_cache import CleanCache
from recovery.model import Cause
from recovery.planner import plan
from recovery.runbook import Runbook, load_runbooks
from rules.bounds import Bounds
from rules.copies import text_of
from rules.file_marks import Fate, fate
from rules.layouts import Layouts, Times
from rules.patterns import load_patterns
from rules.position import Position
from rules.positions import Positions
from rules.ranges import Range
from rules.reading.source import Source
from rules.reading.window import Window
from rules.records import LOOK, Records, is_alone
from rules.scan_counters import ScanCounters, load_bounds
from rules.scanner import FileScan, Found, Scanner
from rules.tracebacks import line_end
from tasks import evaluate, wiring
from tasks.own_files import OwnFiles
from tasks.settings import Settings

_EVENTS = "scan:events"  # of shard 0, whose series move in the same step
EVENTS = shard_key(0, _EVENTS)
SETTLED = 2.0  #: seconds without a write, after which the last record of a file is taken for complete
ABANDONED = 60.0  #: seconds without a write, after which a line without an end is, too
_BOUNDS_FOR = 3600  # seconds
_LINE_BREAK = ord("\n")
_PIECE = 1 << 18  # bytes of an archive that are unpacked at once to get where it goes on


class LogFile(NamedTuple):
    """A file that a source names."""

    source: str
    path: str
    positions: Positions


class FileReader:
    """Reads files until a deadline (monotonic seconds)."""

    def __init__(self, client: redis.Redis, configured: Settings, deadline: float) -> None:
        recovery = configured.recovery
        self.deadline = deadline
        self._redis = client
        self._own = OwnFiles(configured.log_dir)
        self._zones = {source.name: ZoneInfo(source.timezone) for source in configured.scan.sources}
        self._runbooks = _runbooks(tuple(recovery.runbooks))
        self._targets = {CleanCache.name: [folder.name for folder in recovery.cache_folders]}

    def read(self, file: LogFile, fd: int, position: Position) -> None:
        """Read on from a position, to the end if there is time.

        Raises:
            OSError: it cannot be read, or, as an archive, not to its end.
        """
        now: Position | None = position
        records = _RecordScan(file, fd, self._zones.get(file.source, UTC))
        with text_of(fd, file.path) as source:
            _go_to(source, position.offset)
            window = Window(source.read, position.offset)
            window.skipping = position.cut
            while now and not window.ended and time.monotonic() < self.deadline:
                try:
                    window.fill()
                except OSError:
                    if now.is_archive:  # damaged: what could be unpacked was read, until somebody writes to it
                        file.positions.advance(fd, now, now.offset, archived=os.fstat(fd).st_size)
                    raise
                now = self._take(file, fd, now, window, records)

    def _take(
        self, file: LogFile, fd: int, position: Position, window: Window, records: "_RecordScan"
    ) -> Position | None:
        """Commit what is complete in a window; the position then, None where another scan has moved it."""
        length, final = _complete(window, fd, is_archive=position.is_archive)
        found = records.look_at(window, length, final=final)
        # What follows a line that has no end, and was taken nevertheless, is nothing of its own.
        cut = 0 < found.consumed == length and window.text[length - 1] != _LINE_BREAK
        window.consume(found.consumed)
        cut = cut or (window.skipping and not len(window.text))
        archived = os.fstat(fd).st_size if window.ended and position.is_archive else 0
        if (window.start, cut) == (position.offset, position.cut) and not archived:
            return position
        changes = self._changes(self._counters(file, found), file)
        moved = file.positions.advance(fd, position, window.start, cut=cut, changes=changes, archived=archived)
        evaluate.wake_for(self._redis, changes if moved else ())
        return moved

    def read_range(self, file: LogFile, fd: int, position: Position, wanted: Range) -> bool:
        """Read one of the ranges of a file; whether it was read, and what it holds is counted now.

        Raises:
            OSError: it cannot be read.
        """
        counters = self._counters(file)
        records = _RecordScan(file, fd, self._zones.get(file.source, UTC))
        with text_of(fd, file.path) as source:
            _go_to(source, wanted.start)
            rest = _Rest(source, wanted.end - wanted.start)
            window = Window(rest.read, wanted.start)
            while not window.ended:
                window.fill()
                found = records.look_at(window, len(window.text), final=window.settled)
                counters.add(found.events)
                window.consume(found.consumed)
        if rest.length or not _is_still(fd, position):  # it was cut, or holds something else, since it was handed out
            return False
        changes = self._changes(counters, file)
        finished = file.positions.finish(position, wanted.start, changes)
        evaluate.wake_for(self._redis, changes if finished else ())
        return finished

    def _counters(self, file: LogFile, found: Found | None = None) -> ScanCounters:
        now = wiring.now()
        bounds = None if self._own.has(file.path) else _bounds(tuple(self._zones), int(now // _BOUNDS_FOR))
        counters = ScanCounters(file.source, printable(file.path), bounds, now)
        counters.add(found.events if found else ())
        return counters

    def _changes(self, counters: ScanCounters, file: LogFile) -> list[Change]:
        """What rides in the step that moves the position: counters, groups, and the steps that the errors ask for."""
        changes = counters.changes()
        for error_type, first in counters.first.items():
            changes.append(Change("add", _EVENTS, error_type, counters.counts[error_type]))
            cause = Cause(error_type, file.source, first.file, first.offset)
            planned = plan(cause, self._runbooks, self._targets)
            changes += due.changes(planned) if planned else []
        return changes


class _RecordScan:
    """Finds the failures of one file, window after window."""

    def __init__(self, file: LogFile, fd: int, zone: tzinfo) -> None:
        layouts = Layouts(Times(zone, os.fstat(fd).st_mtime))
        self._scan = FileScan(_scanner(), printable(file.path), layouts, service=file.source)
        self._layouts = layouts
        self._records = Records(layouts)

    def look_at(self, window: Window, length: int, *, final: bool) -> Found:
        """What the first bytes of a window hold; unless they are final, a record that may go on is left."""
        text = cast("bytearray", window.text.obj)
        final = final or self._is_alone(text, length)
        if not length or not (final or self._is_several(text, length)):
            return Found(0)
        found = self._scan.window(text, length, window.start, final=final)
        is_all = found.consumed == length and found.events and found.events[-1].offset == window.start
        return found if final or not is_all else Found(0)

    def _is_alone(self, text: bytearray, length: int) -> bool:
        """Whether the last line is a whole record, whatever follows: JSON that no container runtime has written."""
        start = text.rfind(b"\n", 0, max(0, length - 1)) + 1
        line = bytes(text[start : min(length, start + LOOK)])
        if not line.endswith(b"\n") or self._layouts.unwrap(line):
            return False
        header = self._layouts.header(line)
        return header is not None and is_alone(header)

    def _is_several(self, text: bytearray, length: int) -> bool:
        """Whether there is more than one record, as far as headers tell."""
        is_wrapped = self._layouts.unwrap(bytes(text[: line_end(text, 0, min(length, LOOK))])) is not None
        return self._records.last(text, length, is_wrapped=is_wrapped) > 0


class _Rest:
    """So many bytes of a source."""

    def __init__(self, source: Source, length: int) -> None:
        self._source = source
        self.length = length  #: bytes that are still to be read

    def read(self, memory: memoryview) -> int:
        count = self._source.read(memory[: self.length])
        self.length -= count
        return count


def _complete(window: Window, fd: int, *, is_archive: bool) -> tuple[int, bool]:
    """How much of a window may be looked at, and whether all of that is complete: the last record may go on."""
    size = len(window.text)
    if not window.ended or is_archive:
        return size, window.settled
    seconds = idle(fd)
    if seconds >= ABANDONED:
        return size, True
    return bytes(window.text).rfind(b"\n") + 1, seconds >= SETTLED


def idle(fd: int) -> float:
    """Seconds since a file was written to; a time that is still to come tells nothing, so it counts as long ago."""
    seconds = time.time() - os.fstat(fd).st_mtime
    return seconds if seconds >= -1 else inf


def _is_still(fd: int, position: Position) -> bool:
    """Whether a file that is read in ranges holds what it held."""
    became = fate(fd, position.head, position.tail, position.offset, position.end)
    return position.is_archive or became is Fate.SAME


def _go_to(source: Source, offset: int) -> None:
    """Go on at an offset of the text; an archive is unpacked up to there."""
    if not source.is_packed:
        source.seek(offset)
        return
    memory = memoryview(bytearray(_PIECE))
    while offset and (count := source.read(memory[:offset])):
        offset -= count


def printable(path: str) -> str:
    """A file's name is any bytes, and JSON is not."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@lru_cache(maxsize=1)
def _bounds(sources: tuple[str, ...], _period: int) -> Bounds:
    """The bounds in a period of `_BOUNDS_FOR`; loaded anew in the next one, without what was forgotten meanwhile."""
    return load_bounds(wiring.redis_client(), sources)


@cache
def _scanner() -> Scanner:
    return Scanner(load_patterns())


@cache
def _runbooks(paths: tuple[Path, ...]) -> Mapping[str, Runbook]:
    return load_runbooks(paths)
