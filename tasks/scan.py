"""Scans the configured log files for errors, from where the last scan stopped.

Keys (those of positions and of due steps are in `rules/positions.py` and `recovery/due.py`):
    tocsin:{0}:scan:lock     string  nonce of the scan that runs; expiry 20 s
    tocsin:{0}:scan:stopped  string  source and path of the file in which the last scan ran out of time; none
    tocsin:{0}:scan:events   hash    error type -> events so far; none
"""

import glob
import logging
import os
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple, cast

import redis
from redis.exceptions import LockNotOwnedError

from logging_core.streams.stream import Change, shard_key
from recovery import due
from recovery.actions.clean_cache import CleanCache
from recovery.model import Cause
from recovery.planner import plan
from recovery.runbook import Runbook, load_runbooks
from rules.counters import count_scanned
from rules.event import Event
from rules.layouts import Layouts, Times
from rules.patterns import load_patterns
from rules.positions import Position, Positions, opened
from rules.reading.window import Window
from rules.scanner import FileScan, Scanner
from rules.siblings import siblings
from tasks import evaluate, settings, wiring
from tasks.app import app, send
from tasks.settings import RecoverySettings, ScanSource

LOCK = "tocsin:{0}:scan:lock"
LOCK_EXPIRY = 20.0  #: seconds
STOPPED = "tocsin:{0}:scan:stopped"
_EVENTS = "scan:events"  # of shard 0, whose series move in the same step
EVENTS = shard_key(0, _EVENTS)
BUDGET = 8.0  #: seconds of one scan; what is left waits for the next

logger = logging.getLogger(__name__)


@app.task(name="tasks.scan.scan", ignore_result=True)
def scan() -> None:
    """Scan what was written since the last scan; returns at once where another scan runs."""
    client = wiring.redis_client()
    lock = client.lock(LOCK, timeout=LOCK_EXPIRY, blocking=False)
    if not lock.acquire():
        return
    try:
        LogScan(client, settings.load().recovery, time.monotonic() + BUDGET).run(settings.load().scan.sources)
    finally:
        try:
            lock.release()
        except LockNotOwnedError:  # a host that stood still; the positions' revisions kept the scans apart
            logger.warning("the scan took longer than its lock")
    if not due.is_empty(client):
        send("tasks.recover.recover")


class _File(NamedTuple):
    source: str
    path: str
    positions: Positions


class LogScan:
    """One scan over the files of all sources, until its deadline (monotonic seconds)."""

    def __init__(self, client: redis.Redis, recovery: RecoverySettings, deadline: float) -> None:
        self._redis = client
        self._scanner = _scanner()
        self._runbooks = _runbooks(tuple(recovery.runbooks))
        self._targets = {CleanCache.name: [folder.name for folder in recovery.cache_folders]}
        self._deadline = deadline

    def run(self, sources: Sequence[ScanSource]) -> None:
        """Scan every file, as far as there is time; the next scan begins behind the file where it ran out."""
        files = sorted((file for source in sources for file in self._files(source)), key=_turn)
        stopped = cast("bytes | None", self._redis.get(STOPPED))
        first = bisect_right(files, stopped, key=_turn) if stopped else 0
        for file in files[first:] + files[:first]:
            self._scan(file)
            if time.monotonic() >= self._deadline:
                self._redis.set(STOPPED, _turn(file))
                return
        self._redis.delete(STOPPED)

    def _files(self, source: ScanSource) -> list[_File]:
        """The files that the source's globs name, and those beside them that rotation has left unread.

        What there was before a glob was looked at for the first time is history, and taken as read.
        """
        positions = Positions(self._redis, source.name)
        if new := set(source.paths) - positions.begun():
            present = _named(new)
            for path in present | {sibling.path for sibling in siblings(present)}:
                with _no_matter(), opened(path) as fd:
                    positions.skip(fd, path)
            positions.begin(new)
        named = _named(source.paths)
        paths = named | set(positions.behind(list(siblings(named)), named))
        return [_File(source.name, path, positions) for path in paths]

    def _scan(self, file: _File) -> None:
        with _no_matter(), opened(file.path) as fd:
            self._read(file, fd, file.positions.resume(fd, file.path))

    def _read(self, file: _File, fd: int, position: Position) -> None:
        window = Window(partial(_read_from, fd, [position.offset]), position.offset)
        scan = FileScan(self._scanner, position.path, Layouts(Times(latest=os.fstat(fd).st_mtime)))
        while time.monotonic() < self._deadline and not window.ended:
            window.fill()
            text = window.text[: bytes(window.text).rfind(b"\n") + 1] if window.ended else window.text
            if not len(text):
                continue
            found = scan.window(cast("bytearray", text.obj), len(text), window.start, final=window.settled)
            changes = self._changes(file.source, _first_and_count(found.events))
            end = window.start + found.consumed
            moved = file.positions.advance(fd, position, end, cut=window.skipping, changes=changes)
            if moved is None:
                return
            evaluate.wake_for(self._redis, changes)
            position = moved
            window.consume(found.consumed)

    def _changes(self, source: str, found: Mapping[str, tuple[Event, int]]) -> list[Change]:
        """What rides in the step that moves the position: counters, and the steps that the errors ask for."""
        if not found:
            return []
        now = wiring.now()
        changes: list[Change] = []
        for event, count in found.values():
            file = os.fsencode(event.file).decode("utf-8", "backslashreplace")  # a name is any bytes, and JSON is not
            changes += count_scanned(source, event.type, count, now)
            changes.append(Change("add", _EVENTS, event.type, count))
            planned = plan(Cause(event.type, source, file, event.offset), self._runbooks, self._targets)
            changes += due.changes(planned) if planned else []
        return changes


def _read_from(fd: int, at: list[int], memory: memoryview) -> int:
    count = os.preadv(fd, [memory], at[0])
    at[0] += count
    return count


def _named(patterns: Iterable[str]) -> set[str]:
    return {path for pattern in patterns for path in glob.iglob(pattern, recursive=True)}  # noqa: PTH207


def _turn(file: _File) -> bytes:
    return os.fsencode(f"{file.source}\0{file.path}")


@contextmanager
def _no_matter() -> Iterator[None]:
    """No trouble with a file stops the scan of others."""
    try:
        yield
    except FileNotFoundError:  # rotated away meanwhile: the next scan finds it
        pass
    except OSError as error:
        logger.warning("a file is not scanned: %s", error)


def _first_and_count(events: Iterable[Event]) -> dict[str, tuple[Event, int]]:
    """Error type -> its first event in a chunk, and how many there are."""
    found: dict[str, tuple[Event, int]] = {}
    for event in events:
        first, count = found.get(event.type, (event, 0))
        found[event.type] = first, count + 1
    return found


@cache
def _scanner() -> Scanner:
    return Scanner(load_patterns())


@cache
def _runbooks(paths: tuple[Path, ...]) -> Mapping[str, Runbook]:
    return load_runbooks(paths)
