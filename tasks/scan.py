"""Scans the configured log files for errors, from where the last scan stopped.

Keys (those of positions and of due steps are in `rules/positions.py` and `recovery/due.py`):
    tocsin:scan:lock    string  nonce of the scan that runs; expiry 20 s
    tocsin:scan:events  hash    error type -> events so far; none
"""

import glob
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import redis
from redis.exceptions import LockNotOwnedError

from logging_core.stream import Change
from recovery import due
from recovery.actions.clean_cache import CleanCache
from recovery.model import Cause
from recovery.planner import plan
from recovery.runbook import Runbook, load_runbooks
from rules.counters import count_scanned
from rules.patterns import load_patterns
from rules.positions import Position, Positions, opened
from rules.scanner import CHUNK, Event, Scanner, read_chunk
from tasks import evaluate, settings, wiring
from tasks.app import app
from tasks.recover import recover
from tasks.settings import RecoverySettings, ScanSource

LOCK = "tocsin:scan:lock"
LOCK_EXPIRY = 20.0  #: seconds
EVENTS = "tocsin:scan:events"
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
        recover.delay()


class LogScan:
    """One scan over the files of all sources, until its deadline (monotonic seconds)."""

    def __init__(self, client: redis.Redis, recovery: RecoverySettings, deadline: float) -> None:
        self._redis = client
        self._positions = Positions(client)
        self._scanner = _scanner()
        self._runbooks = _runbooks(tuple(recovery.runbooks))
        self._targets = {CleanCache.name: [folder.name for folder in recovery.cache_folders]}
        self._deadline = deadline
        self._buffer = bytearray(CHUNK)

    def run(self, sources: Sequence[ScanSource]) -> None:
        """Scan every file."""
        for source, path in _files(sources):
            self._scan(source, path)

    def _scan(self, source: str, path: str, *, rotated: bool = False) -> None:
        """Scan a file, after the one that rotation took from its place. No trouble with it stops the scan of others."""
        try:
            with opened(path) as fd:
                position = self._positions.resume(fd, path)
                old = None if rotated else self._positions.renamed(position)
                if old:
                    self._scan(source, old, rotated=True)
                self._read(source, fd, position)
        except FileNotFoundError:  # rotated away meanwhile: the next scan finds it
            pass
        except OSError as error:
            logger.warning("a file is not scanned: %s", error)

    def _read(self, source: str, fd: int, position: Position) -> None:
        while time.monotonic() < self._deadline:
            chunk = read_chunk(fd, position.offset, cut=position.cut, buffer=self._buffer)
            if chunk is None:
                return
            found = _first_and_count(self._scanner.events(source, chunk))
            changes = self._changes(found, position.path)
            moved = self._positions.advance(fd, position, chunk.end, cut=chunk.cut, changes=changes)
            if moved is None:
                return
            evaluate.wake_for(self._redis, changes)
            position = moved

    def _changes(self, found: Mapping[str, tuple[Event, int]], path: str) -> list[Change]:
        """What rides in the step that moves the position: counters, and the steps that the errors ask for."""
        if not found:
            return []
        now = wiring.now()
        file = os.fsencode(path).decode("utf-8", "backslashreplace")  # a file's name is any bytes, and JSON is not
        changes: list[Change] = []
        for event, count in found.values():
            changes += count_scanned(event.source, event.type, count, now)
            changes.append(Change("add", EVENTS, event.type, count))
            planned = plan(Cause(event.type, event.source, file, event.offset), self._runbooks, self._targets)
            changes += due.changes(planned) if planned else []
        return changes


def _files(sources: Sequence[ScanSource]) -> Iterator[tuple[str, str]]:
    for source in sources:
        paths = {path for pattern in source.paths for path in glob.iglob(pattern, recursive=True)}  # noqa: PTH207
        yield from ((source.name, path) for path in sorted(paths))


def _first_and_count(events: Iterator[Event]) -> dict[str, tuple[Event, int]]:
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
