"""One log file, or a range of it, read from where it was read to; what is found is committed with how far it came."""

import os
import time
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

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
from rules.position import Position
from rules.positions import Positions
from rules.ranges import Range
from rules.reading.source import Source
from rules.reading.window import Window
from rules.recognition import recognise
from rules.scan_counters import Tally, load_bounds
from tasks import evaluate, wiring
from tasks.own_files import OwnFiles
from tasks.settings import Settings

_EVENTS = "scan:events"  # of shard 0, whose series move in the same step
EVENTS = shard_key(0, _EVENTS)
SETTLED = 2.0  #: seconds without a write, after which the last record of a file is taken for complete
ABANDONED = 60.0  #: seconds without a write, after which a line without an end is, too
_BOUNDS_FOR = 3600  # seconds
_PIECE = 1 << 18  # bytes of an archive that are unpacked at once to get where it goes on


class LogFile(NamedTuple):
    """A file that a source names."""

    source: str
    path: str
    positions: Positions


class FileScan:
    """Reads files until a deadline (monotonic seconds)."""

    def __init__(self, client: redis.Redis, configured: Settings, deadline: float) -> None:
        recovery = configured.recovery
        self.deadline = deadline
        self._redis = client
        self._own = OwnFiles(configured.log_dir)
        self._sources = tuple(source.name for source in configured.scan.sources)
        self._runbooks = _runbooks(tuple(recovery.runbooks))
        self._targets = {CleanCache.name: [folder.name for folder in recovery.cache_folders]}

    def read(self, file: LogFile, fd: int, position: Position) -> None:
        """Read on from a position, to the end if there is time.

        Raises:
            OSError: it cannot be read, or, as an archive, not to its end.
        """
        now: Position | None = None if position.archived == os.fstat(fd).st_size else position
        with text_of(fd, file.path) as source:
            _go_to(source, position.offset)
            window = Window(source.read, position.offset)
            window.skipping = position.cut
            while now and not window.ended and time.monotonic() < self.deadline:
                window.fill()
                now = self._take(file, fd, now, window)

    def _take(self, file: LogFile, fd: int, position: Position, window: Window) -> Position | None:
        """Commit what is complete in a window; the position then, None where another scan has moved it."""
        tally = self._tally(file)
        text, final = _complete(window, fd, is_archive=position.is_archive)
        events, consumed = recognise(text, window.start, final=final)
        tally.add(events)
        is_half = final and bool(text) and not text.endswith(b"\n")  # the rest of that line is nothing of its own
        cut = is_half or (window.skipping and consumed == len(text))
        window.consume(consumed)
        archived = os.fstat(fd).st_size if window.ended and position.is_archive else 0
        if (window.start, cut) == (position.offset, position.cut) and not archived:
            return position
        changes = self._changes(tally, file)
        moved = file.positions.advance(fd, position, window.start, cut=cut, changes=changes, archived=archived)
        evaluate.wake_for(self._redis, changes if moved else ())
        return moved

    def read_range(self, file: LogFile, fd: int, position: Position, wanted: Range) -> bool:
        """Read one of the ranges of a file; whether it was read, and what it holds is counted now.

        Raises:
            OSError: it cannot be read.
        """
        tally = self._tally(file)
        with text_of(fd, file.path) as source:
            _go_to(source, wanted.start)
            rest = _Rest(source, wanted.end - wanted.start)
            window = Window(rest.read, wanted.start)
            while not window.ended:
                window.fill()
                events, consumed = recognise(bytes(window.text), window.start, final=window.settled)
                tally.add(events)
                window.consume(consumed)
        if rest.length or not _is_still(fd, position):  # it was cut, or holds something else, since it was handed out
            return False
        changes = self._changes(tally, file)
        finished = file.positions.finish(position, wanted.start, changes)
        evaluate.wake_for(self._redis, changes if finished else ())
        return finished

    def _tally(self, file: LogFile) -> Tally:
        now = wiring.now()
        bounds = None if self._own.has(file.path) else _bounds(self._sources, int(now // _BOUNDS_FOR))
        return Tally(file.source, _printable(file.path), bounds, now)

    def _changes(self, tally: Tally, file: LogFile) -> list[Change]:
        """What rides in the step that moves the position: counters, groups, and the steps that the errors ask for."""
        changes = tally.changes()
        for error_type, first in tally.first.items():
            changes.append(Change("add", _EVENTS, error_type, tally.counts[error_type]))
            cause = Cause(error_type, file.source, _printable(file.path), first.offset)
            planned = plan(cause, self._runbooks, self._targets)
            changes += due.changes(planned) if planned else []
        return changes


class _Rest:
    """So many bytes of a source."""

    def __init__(self, source: Source, length: int) -> None:
        self._source = source
        self.length = length  #: bytes that are still to be read

    def read(self, memory: memoryview) -> int:
        count = self._source.read(memory[: self.length])
        self.length -= count
        return count


def _complete(window: Window, fd: int, *, is_archive: bool) -> tuple[bytes, bool]:
    """What of a window may be looked at, and whether all of it is complete: the last record, and line, may go on."""
    text = bytes(window.text)
    if not window.ended or is_archive:
        return text, window.settled
    idle = time.time() - os.fstat(fd).st_mtime
    if not 0 <= idle < ABANDONED:  # a time that is still to come tells nothing
        return text, True
    return text[: text.rfind(b"\n") + 1], idle >= SETTLED


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


def _printable(path: str) -> str:
    """A file's name is any bytes, and JSON is not."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@lru_cache(maxsize=1)
def _bounds(sources: tuple[str, ...], _period: int) -> Bounds:
    """The bounds in a period of `_BOUNDS_FOR`; loaded anew in the next one, without what was forgotten meanwhile."""
    return load_bounds(wiring.redis_client(), sources)


@cache
def _runbooks(paths: tuple[Path, ...]) -> Mapping[str, Runbook]:
    return load_runbooks(paths)
