"""One log file, or a range of it, read from where it was read to; what is found is committed with how far it came."""

import os
import time
from collections.abc import Mapping
from datetime import UTC
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple
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
from rules.layouts import Times
from rules.patterns import load_patterns
from rules.position import Position
from rules.positions import Positions
from rules.ranges import Range
from rules.scan_counters import ScanCounters, load_bounds
from rules.scanner import Scanner
from tasks import evaluate, wiring
from tasks.own_files import OwnFiles
from tasks.record_window import RecordScan, RecordWindow
from tasks.settings import Settings

_EVENTS = "scan:events"  # of shard 0, whose series move in the same step
EVENTS = shard_key(0, _EVENTS)
STEP = 16 << 20  #: bytes after which what was found is committed
_BOUNDS_FOR = 3600  # seconds


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
        with text_of(fd, file.path) as source:
            records = RecordWindow(self._scan(file, fd), source, fd, position.offset, is_cut=position.cut)
            counters = self._counters(file)
            # An archive is unpacked from its beginning each time, which may take all the time there is: each time it
            # comes one step further nevertheless.
            first = position.offset if position.is_archive else -1
            while now and not records.ended and (time.monotonic() < self.deadline or now.offset == first):
                try:
                    counters.add(records.step())
                except OSError:
                    if now.is_archive:  # damaged: what could be unpacked was read, until somebody writes to it
                        self._commit(file, fd, now, records, counters, is_over=True)
                    raise
                if records.offset - now.offset >= STEP:
                    now = self._commit(file, fd, now, records, counters)
                    counters = self._counters(file)
            if now:
                self._commit(file, fd, now, records, counters, is_over=records.ended)

    def _commit(
        self,
        file: LogFile,
        fd: int,
        position: Position,
        records: RecordWindow,
        counters: ScanCounters,
        *,
        is_over: bool = False,
    ) -> Position | None:
        """Count what was found and move the position, in one step.

        None where another scan has moved it, or the file is no longer the one that was read: somebody has emptied it
        meanwhile, and the next scan finds out what became of what was in it.
        """
        archived = os.fstat(fd).st_size if is_over and position.is_archive else 0
        if (records.offset, records.is_cut) == (position.offset, position.cut) and not archived:
            return position
        tail = b"" if position.is_archive else records.tail()
        if tail is None or not _is_still(fd, position, records.offset):
            return None
        changes = self._changes(counters, file)
        moved = file.positions.advance(
            fd, position, records.offset, cut=records.is_cut, changes=changes, archived=archived, tail=tail
        )
        evaluate.wake_for(self._redis, changes if moved else ())
        return moved

    def read_range(self, file: LogFile, fd: int, position: Position, wanted: Range) -> bool:
        """Read one of the ranges of a file; whether it was read, and what it holds is counted now.

        Raises:
            OSError: it cannot be read.
        """
        counters = self._counters(file)
        with text_of(fd, file.path) as source:
            records = RecordWindow(self._scan(file, fd), source, fd, wanted.start, end=wanted.end)
            while not records.ended:
                counters.add(records.step())
        if records.offset != wanted.end or not _is_still(fd, position, position.end):
            return False  # it was cut, or holds something else, since it was handed out
        changes = self._changes(counters, file)
        finished = file.positions.finish(position, wanted.start, changes)
        evaluate.wake_for(self._redis, changes if finished else ())
        return finished

    def _scan(self, file: LogFile, fd: int) -> RecordScan:
        zone = self._zones.get(file.source, UTC)
        return RecordScan(_scanner(), printable(file.path), file.source, Times(zone, os.fstat(fd).st_mtime))

    def _counters(self, file: LogFile) -> ScanCounters:
        now = wiring.now()
        bounds = None if self._own.has(file.path) else _bounds(tuple(self._zones), int(now // _BOUNDS_FOR))
        return ScanCounters(file.source, printable(file.path), bounds, now)

    def _changes(self, counters: ScanCounters, file: LogFile) -> list[Change]:
        """What rides in the step that moves the position: counters, groups, and the steps that the errors ask for."""
        changes = counters.changes()
        for error_type, first in counters.first.items():
            changes.append(Change("add", _EVENTS, error_type, counters.counts[error_type]))
            cause = Cause(error_type, file.source, first.file, first.offset)
            planned = plan(cause, self._runbooks, self._targets)
            changes += due.changes(planned) if planned else []
        return changes


def _is_still(fd: int, position: Position, end: int) -> bool:
    """Whether a file that was read up to `end` holds what it held."""
    return position.is_archive or fate(fd, position.head, position.tail, position.offset, end) is Fate.SAME


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
