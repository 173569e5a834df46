"""One scan over the files of all sources: which files there are, which have something unread, whose turn it is.

Keys (those of positions and of due steps are in `rules/positions.py` and `recovery/due.py`), of each place:
    tocsin:{0}:scan:lock:<place>     string  nonce of the scan that runs; expiry 20 s
    tocsin:{0}:scan:stopped:<place>  string  source and path of the file in which the last scan ran out of time; a day

and of all together:
    tocsin:{0}:scan:events           hash    error type -> events so far; none
"""

import glob
import logging
import os
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple, cast

import redis

from logging_core.printable import printable
from rules.globs import expanded
from rules.position import Position, opened
from rules.positions import Positions
from rules.ranges import HUGE, RANGE, cut
from rules.siblings import Sibling, linked, siblings
from tasks import record_window
from tasks.file_reader import FileReader, LogFile
from tasks.own_files import OwnFiles
from tasks.settings import ScanSource, Settings

LARGE = 16 << 20  #: bytes of an archive that is unpacked by a task of its own, as is one that unpacks to `HUGE`
LEASE = 60.0  #: seconds in which a range that was handed out should be read; then it is handed out again
STOPPED_EXPIRY = 86_400  #: seconds; a place that nobody serves any more leaves nothing for ever
ARCHIVE_LEASE = 330.0  #: seconds in which an archive should be

logger = logging.getLogger(__name__)


class Part(NamedTuple):
    """What of a file is handed out, to be read by a task of its own."""

    source: str
    path: str
    identity: str
    start: int  #: of a range; of an archive, all of which is one part, 0


class LogScan:
    """One scan over the files of all sources, until its deadline (monotonic seconds)."""

    def __init__(self, client: redis.Redis, configured: Settings, place: str, reader: FileReader) -> None:
        self._redis = client
        self._place = place
        self._stopped = f"tocsin:{{0}}:scan:stopped:{place}"
        self._reader = reader
        self._own = OwnFiles(configured.log_dir)

    def run(self, sources: Sequence[ScanSource]) -> list[Part]:
        """Scan every file, as far as there is time; the next scan begins behind the file where it ran out.

        Returns:
            What others are to read.
        """
        files = sorted((file for source in sources for file in self._files(source)), key=_turn)
        stopped = cast("bytes | None", self._redis.get(self._stopped))
        first = bisect_right(files, stopped, key=_turn) if stopped else 0
        parts: list[Part] = []
        for file in files[first:] + files[:first]:
            with no_matter(), opened(file.path) as fd:
                parts += self._scan(file, fd)
            if time.monotonic() >= self._reader.deadline:
                self._redis.set(self._stopped, _turn(file), ex=STOPPED_EXPIRY)
                return parts
        self._redis.delete(self._stopped)
        return parts

    def _files(self, source: ScanSource) -> list[LogFile]:
        """The files that the source's globs name, and those beside them that rotation has left unread.

        What there was before a glob was looked at for the first time is history, and taken as read.
        """
        positions = Positions(self._redis, source.name, self._place)
        if new := set(source.paths) - positions.begun():
            named, beside = _named(new)
            for path in named | {sibling.path for sibling in beside}:
                with no_matter(), opened(path) as fd:
                    positions.skip(fd, path)
            positions.begin(new)
        named, beside = _named(source.paths)
        paths = self._own.without_repeats(named | set(positions.behind(beside)), source.paths)
        return [LogFile(source.name, path, positions) for path in paths]

    def _scan(self, file: LogFile, fd: int) -> list[Part]:
        position = file.positions.resume(fd, file.path)
        if position is None:
            return []
        size = os.fstat(fd).st_size
        if not (position.ranges or position.is_archive or position.cut) and size - position.offset >= HUGE:
            position = file.positions.split(fd, position, cut(fd, position.offset, RANGE)) or position
        if position.ranges:
            return self._hand_out(file, position, [each.start for each in position.ranges], LEASE)
        if position.is_archive:
            return self._scan_archive(file, fd, position, size)
        if size != position.offset:
            self._reader.read(file, fd, position)
        return []

    def _scan_archive(self, file: LogFile, fd: int, position: Position, size: int) -> list[Part]:
        if position.archived == size or record_window.idle(fd) < record_window.SETTLED:  # it is still being written
            return []
        if size >= LARGE or position.offset >= HUGE:
            return self._hand_out(file, position, [0], ARCHIVE_LEASE)
        self._reader.read(file, fd, position)
        return []

    def _hand_out(self, file: LogFile, position: Position, starts: Sequence[int], seconds: float) -> list[Part]:
        """The parts that nobody reads now: new ones, and those whose reader has died."""
        parts = [Part(file.source, file.path, position.identity, start) for start in starts]
        return [each for each in parts if file.positions.lease(position, lease_of(position, each.start), seconds)]


def lease_of(position: Position, start: int) -> str:
    """What the lease of a part is called; ranges are cut anew when the file is, and then leases are new."""
    return f"{position.revision}:{start}" if position.ranges else "archive"


@contextmanager
def no_matter() -> Iterator[None]:
    """No trouble with a file stops the scan of others."""
    try:
        yield
    except FileNotFoundError:  # rotated away meanwhile: the next scan finds it
        pass
    except OSError as error:
        logger.warning("a file is not scanned: %s", printable(str(error)))
    except redis.RedisError:
        raise
    except Exception:  # whoever can write one line to one file must not stop the scan of all
        logger.exception("a file is not scanned")


def _named(patterns: Iterable[str]) -> tuple[set[str], list[Sibling]]:
    """The files that globs name, links followed; and those beside them that were rotated away."""
    paths = {path for pattern in patterns for path in expanded(pattern)}
    links = {path for path in paths if os.path.islink(path)}  # noqa: PTH114
    named = (paths - links) | {os.path.realpath(path) for path in links}
    plain = {pattern for pattern in patterns if not glob.has_magic(pattern)}  # of which there may be none at the moment
    return named, [each for each in chain(siblings(named | plain), linked(links)) if each.path not in named]


def _turn(file: LogFile) -> bytes:
    return os.fsencode(f"{file.source}\0{file.path}")
