"""A buffer in mapped memory on tmpfs: what was accepted survives `kill -9` of the application, and no disk stalls it.

    <spool_dir>/<redis>/<producer>/lock           held for as long as somebody ships this producer's records
    <spool_dir>/<redis>/<producer>/<n>.segment    its records, in segments of 1 MiB

Folders that nobody holds are adopted, under their own producer's id, by every shipper that shares the folder.
"""

import os
import secrets
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from logging_core import segment
from logging_core.buffer import Batch
from logging_core.claim import Claim, unclaimed
from logging_core.segment import Found, Segment


class SpoolBuffer:
    """The default buffer: segments on tmpfs, one lock, one folder per process."""

    durable = True

    def __init__(self, root: Path, service: str, max_bytes: int = 16 * segment.SIZE) -> None:
        """Open a folder of our own under `root`.

        Raises:
            OSError: the folder cannot be made, or is somebody else's.
        """
        self.producer = secrets.token_hex(16)
        self.service = service
        self.refused: Counter[str] = Counter()
        self._claim = Claim.create(root, self.producer)
        self._max_segments = max_bytes // segment.SIZE
        self._segments: deque[Segment] = deque()  # oldest first; the last one is written to
        self._spare: Segment | None = None
        self._names = count(1)
        self._accepted = 0  # before the first segment that is held
        self._appended = 0
        self._reading: Segment | None = None
        self._position, self._next = segment.HEADER, 1
        self._nested: deque[bytes] = deque()
        # Re-entrant, because a signal handler or a finalizer may log while this very thread is in here.
        self._lock = threading.RLock()
        self._busy = False
        self._closed = False

    @property
    def accepted(self) -> int:
        """The highest ordinal given out."""
        return self._segments[-1].last if self._segments else self._accepted

    def put(self, line: bytes) -> bool:
        """Copy a line into the mapped segment: microseconds, no system call, except where a segment begins."""
        with self._lock:
            if self._busy:  # logged from within `put` itself: the outer one takes it along
                self._nested.append(line)
                return True
            self._busy = True
            try:
                kept = (bool(self._segments) and self._segments[-1].append(line)) or self._append_to_next(line)
                while self._nested:
                    nested = self._nested.popleft()
                    _ = (bool(self._segments) and self._segments[-1].append(nested)) or self._append_to_next(nested)
            finally:
                self._busy = False
        return kept

    def take(self, max_bytes: int) -> Batch | None:
        """The next records: one copy out of the map, at most a segment's rest."""
        with self._exclusively():
            reading = self._segment_to_read()
            if reading is None:
                return None
            end = segment.cut(reading.map, self._position, reading.end, max_bytes)
            body = reading.map[self._position : end]
            batch = Batch(self._next, body.count(b"\n"), body)
            self._position, self._next = end, self._next + batch.count
            return batch

    def seek(self, ordinal: int) -> int:
        """Move the next record to take."""
        with self._exclusively():
            if self._segments:
                ordinal = min(max(ordinal, self._segments[0].first), self.accepted + 1)
                reading = next(each for each in reversed(self._segments) if each.first <= ordinal)
                self._position = segment.skip(reading.map, ordinal - reading.first)
                self._reading, self._next = reading, ordinal
            return self._next

    def release(self, appended: int, committed: int) -> None:
        """Free whole segments that are committed, and keep one ready, so that a caller seldom has to make one."""
        with self._exclusively():
            self._appended = appended
            self._drop_through(committed)
            wanted = self._spare is None and bool(self._segments) and self._segments[-1].end > segment.SIZE // 4
        if wanted:
            spare = self._create()  # slow, so outside the lock
            with self._exclusively():
                self._spare, spare = self._spare or spare, self._spare and spare
            if spare:
                spare.remove()

    def close(self, committed: int) -> None:
        """Remove the folder where everything is committed; otherwise leave it for others to adopt."""
        with self._exclusively():
            self._closed = True
            done = committed >= self.accepted
            self._accepted = self.accepted
            self._unmap()
            if done:
                self._claim.remove()
            else:
                self._claim.let_go()

    def abandon(self) -> None:
        """In a forked child: unmap what the parent writes to."""
        self._unmap()

    def _unmap(self) -> None:
        for each in (*self._segments, *((self._spare,) if self._spare else ())):
            each.close()
        self._segments.clear()
        self._spare = self._reading = None

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """The lock, for what is done rarely; what this very thread logs meanwhile is taken along by the next `put`."""
        with self._lock:
            self._busy = True
            try:
                yield
            finally:
                self._busy = False

    def _segment_to_read(self) -> Segment | None:
        """The segment that holds the next record, or None where there is none yet."""
        if self._reading is None and self._segments:
            self._read_on(self._segments[0])
        while self._reading is not None and self._position == self._reading.end:
            if self._reading is self._segments[-1]:
                return None
            self._read_on(self._segments[self._segments.index(self._reading) + 1])
        return self._reading

    def _read_on(self, reading: Segment) -> None:
        self._reading, self._position, self._next = reading, segment.HEADER, reading.first

    def _append_to_next(self, line: bytes) -> bool:
        """Begin the next segment with this line; refuse it where there is no space for one."""
        if self._closed:
            return self._refuse("closed")
        if len(line) > segment.LONGEST_LINE:
            return self._refuse("too_long")
        if len(self._segments) >= self._max_segments:
            self._drop_through(self._appended)
        if len(self._segments) >= self._max_segments:
            return self._refuse("buffer_full")
        fresh, self._spare = self._spare or self._create(), None
        if fresh is None:
            return self._refuse("spool_full")
        fresh.start(self.accepted + 1)
        fresh.append(line)
        self._segments.append(fresh)
        return True

    def _refuse(self, reason: str) -> bool:
        self.refused[reason] += 1
        return False

    def _create(self) -> Segment | None:
        try:
            path = self._claim.folder / f"{next(self._names):08d}.segment"
            return Segment(path, bytes.fromhex(self.producer), self.service)
        except OSError:
            return None

    def _drop_through(self, ordinal: int) -> None:
        """Drop the whole segments up to an ordinal; the one that is written to or read from stays."""
        while len(self._segments) > 1 and self._segments[0].last <= ordinal:
            if self._segments[0] is self._reading:
                if self._position < self._segments[0].end:
                    break
                self._read_on(self._segments[1])
            dropped = self._segments.popleft()
            if self._spare is None:
                dropped.start(0)  # emptied at once: whoever adopts this folder must not take its lines for waiting ones
                self._spare = dropped
            else:
                dropped.remove()


class AdoptedSpool:
    """What a dead process left: read only, and one segment in memory at a time."""

    durable = True

    def __init__(self, claim: Claim, found: Sequence[Found]) -> None:
        self.producer = claim.folder.name
        self.service = found[0].service
        self.refused: Counter[str] = Counter()
        self.accepted = found[-1].last
        self._claim = claim
        self._found = list(found)  # by ordinal; there may be gaps between them
        self._data, self._read = b"", -1
        self._at, self._position, self._next = 0, segment.HEADER, found[0].first

    def take(self, max_bytes: int) -> Batch | None:
        """The next records."""
        while self._position == self._found[self._at].end:
            if self._at + 1 == len(self._found):
                return None
            self._at += 1
            self._position, self._next = segment.HEADER, self._found[self._at].first
        data = self._load()
        end = segment.cut(data, self._position, self._found[self._at].end, max_bytes)
        body = data[self._position : end]
        batch = Batch(self._next, body.count(b"\n"), body)
        self._position, self._next = end, self._next + batch.count
        return batch

    def seek(self, ordinal: int) -> int:
        """Move the next record to take, past a gap to what comes behind it."""
        self._at = next((at for at, each in enumerate(self._found) if each.last >= ordinal), len(self._found) - 1)
        found = self._found[self._at]
        self._next = min(max(ordinal, found.first), found.last + 1)
        self._position = segment.skip(self._load(), self._next - found.first)
        return self._next

    def release(self, appended: int, committed: int) -> None:
        """Nothing is freed before everything is committed."""

    def close(self, committed: int) -> None:
        """Remove the folder where everything is committed; otherwise leave it for others."""
        if committed >= self.accepted:
            self._claim.remove()
        else:
            self._claim.let_go()

    def _load(self) -> bytes:
        if self._read != self._at:
            self._data, self._read = segment.read_bytes(self._found[self._at].path), self._at
        return self._data


def orphans(root: Path) -> Iterator[AdoptedSpool]:
    """The spools under `root` that nobody holds, adopted one at a time; a folder that cannot be read is left alone."""
    for claim in unclaimed(root):
        try:
            producer = bytes.fromhex(claim.folder.name)
            found = [Found.read(path, producer) for path in claim.folder.glob("*.segment")]
            held = sorted((each for each in found if each), key=lambda each: each.first)
        except OSError:
            claim.let_go()
            continue
        except BaseException:  # raised again: a claim that nobody uses would bar everybody
            claim.let_go()
            raise
        if held:
            yield AdoptedSpool(claim, held)
        else:
            claim.remove()


def spool_root(redis_url: str, spool_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where the producers of one Redis keep their folders: tmpfs, unless a folder is given."""
    if spool_dir is None:
        shared = Path("/dev/shm")  # noqa: S108  # checked to be ours before use
        base = shared if shared.is_dir() and os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
        spool_dir = base / f"tocsin-{os.geteuid()}"
    parts = urlsplit(redis_url)
    database = (
        parse_qs(parts.query).get("db", [""])[0] or ("" if parts.scheme == "unix" else parts.path.strip("/")) or "0"
    )
    if parts.scheme == "unix":
        name = f"unix{parts.path}_{database}"
    else:
        host = parts.hostname or "localhost"
        name = f"{'127.0.0.1' if host in ('localhost', '::1') else host}_{parts.port or 6379}_{database}"
    return Path(spool_dir) / name.replace("/", "_")
