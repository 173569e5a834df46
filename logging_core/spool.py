"""A buffer in mapped memory on tmpfs: what was accepted survives `kill -9` of the application, and no disk stalls it.

    <spool_dir>/<redis>/<producer>/lock           held by flock for as long as somebody ships this producer's records
    <spool_dir>/<redis>/<producer>/<n>.segment    128 bytes of header, then lines

A header is five native 64-bit words (magic, the two halves of the producer's id, the first record's ordinal, where the
lines end) and the service's name. The end is stored after the line itself, so a process that dies while it writes
leaves no torn line.

Ownership is the flock and never a pid. A forked child closes what it inherited, which leaves the parent's lock alone.
Folders that nobody holds are adopted, under their own producer's id, by every shipper that shares the folder.
"""

import fcntl
import mmap
import os
import re
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from logging_core.buffer import Batch

SEGMENT_SIZE = 1024 * 1024
_HEADER = 128
_SERVICE = slice(40, 104)  # of the header; at most 64 characters of ASCII
_MAGIC = int.from_bytes(b"TOCSIN01", sys.byteorder)
_STILLBORN_AFTER = 60.0  #: seconds
_PRODUCER = re.compile("[0-9a-f]{32}")
_FIRST, _END = 3, 4  # words of the header


class Segment:
    """One mapped file of lines. `end` is where the lines end, `count` how many there are."""

    def __init__(self, path: Path, mapped: mmap.mmap) -> None:
        self.path = path
        self.map = mapped
        self._words = memoryview(mapped)[:_HEADER].cast("Q")
        self.first = self._words[_FIRST]
        self.end = self._words[_END]
        self.count = 0

    @property
    def last(self) -> int:
        """The last record's ordinal."""
        return self.first + self.count - 1

    @classmethod
    def create(cls, path: Path, producer: bytes, service: str) -> "Segment":
        """A new file, really allocated: a sparse one would kill the process by SIGBUS when tmpfs is full.

        Raises:
            OSError: no space, no folder.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SEGMENT_SIZE)
            mapped = mmap.mmap(descriptor, SEGMENT_SIZE)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        mapped[8:24] = producer
        mapped[_SERVICE] = service.encode().ljust(64, b"\0")
        with memoryview(mapped)[:_HEADER].cast("Q") as words:
            words[_END] = _HEADER
            words[0] = _MAGIC
        return cls(path, mapped)

    @classmethod
    def open(cls, path: Path, producer: bytes) -> "Segment | None":
        """A file that another process left; None where it holds no record of this producer."""
        with path.open("r+b") as file:
            if os.fstat(file.fileno()).st_size != SEGMENT_SIZE:
                return None
            segment = cls(path, mmap.mmap(file.fileno(), SEGMENT_SIZE))
        if segment._words[0] != _MAGIC or segment.map[8:24] != producer or not _HEADER < segment.end <= SEGMENT_SIZE:
            segment.close()
            return None
        segment.count = segment.map[_HEADER : segment.end].count(b"\n")
        return segment

    @property
    def service(self) -> str:
        """Whose records these are."""
        return self.map[_SERVICE].rstrip(b"\0").decode()

    def start(self, first: int) -> None:
        """Begin to number from here, with no line yet (a reused file held lines that are all committed)."""
        self._words[_END] = self.end = _HEADER
        self._words[_FIRST] = self.first = first
        self.count = 0

    def append(self, line: bytes) -> bool:
        """Copy a line in, then publish it; False: no room."""
        end = self.end + len(line)
        if end > SEGMENT_SIZE:
            return False
        self.map[self.end : end] = line
        self._words[_END] = end  # one aligned store: the line is there, or it is not
        self.count += 1
        self.end = end
        return True

    def close(self) -> None:
        """Unmap; the file stays."""
        self._words.release()
        self.map.close()

    def remove(self) -> None:
        """Unmap and delete."""
        self.close()
        self.path.unlink(missing_ok=True)


class SpoolBuffer:
    """The default buffer: segments on tmpfs, one lock, one folder per process."""

    durable = True

    def __init__(self, root: Path, service: str, max_bytes: int = 16 * SEGMENT_SIZE) -> None:
        """Open a folder of our own under `root`.

        Raises:
            OSError: the folder cannot be made, or is somebody else's.
        """
        self.service = service
        _private_folder(root)
        self.producer = secrets.token_hex(16)
        # Made under another name, so that nobody can adopt it between its making and its locking.
        nursery = root / f".new-{self.producer}"
        nursery.mkdir(mode=0o700)
        self._lock_file = _try_lock(nursery)
        if self._lock_file is None:
            raise OSError(f"{nursery} cannot be locked")
        self._folder = nursery.rename(root / self.producer)
        self._begin(deque(), max_bytes // SEGMENT_SIZE)

    @classmethod
    def adopt(cls, folder: Path) -> "SpoolBuffer | None":
        """What a dead process left; None where somebody holds it, or it holds nothing (then it is removed)."""
        lock_file = _try_lock(folder)
        if lock_file is None:
            return None
        buffer = cls.__new__(cls)
        buffer.producer = folder.name
        buffer._folder = folder
        buffer._lock_file = lock_file
        found = (Segment.open(path, bytes.fromhex(folder.name)) for path in folder.glob("*.segment"))
        segments = sorted((segment for segment in found if segment), key=lambda segment: segment.first)
        buffer.service = segments[0].service if segments else ""
        buffer._begin(deque(segments), 0)
        if not segments:
            buffer.close(0)
            return None
        return buffer

    def _begin(self, segments: deque[Segment], max_segments: int) -> None:
        self.refused: Counter[str] = Counter()
        self._segments = segments  # oldest first; the last one is written to
        self._max_segments = max_segments
        self._writable = max_segments > 0  # an adopted folder is only read
        self._spare: Segment | None = None
        self._names = count(1)
        self._nested: deque[bytes] = deque()
        # Re-entrant, because a signal handler or a finalizer may log while this very thread is in here.
        self._lock = threading.RLock()
        self._busy = False
        self._appended = 0
        self._reading, self._position = (segments[0] if segments else None), _HEADER
        self._next = segments[0].first if segments else 1

    @property
    def accepted(self) -> int:
        """The highest ordinal given out."""
        return self._segments[-1].last if self._segments else 0

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
                    _ = self._segments[-1].append(nested) or self._append_to_next(nested)
            finally:
                self._busy = False
        return kept

    def take(self, max_bytes: int) -> Batch | None:
        """The next records: one copy out of the map, at most a segment's rest."""
        with self._exclusively():
            segment = self._segment_to_read()
            if segment is None:
                return None
            start, end = self._position, segment.end
            if end - start > max_bytes:
                cut = segment.map.rfind(b"\n", start, start + max_bytes)
                end = (cut if cut >= 0 else segment.map.find(b"\n", start, end)) + 1
            body = segment.map[start:end]
            batch = Batch(self._next, body.count(b"\n"), body)
            self._position, self._next = end, self._next + batch.count
            return batch

    def seek(self, ordinal: int) -> int:
        """Move the next record to take."""
        with self._exclusively():
            if not self._segments:
                return self._next
            ordinal = min(max(ordinal, self._segments[0].first), self.accepted + 1)
            segment = next(segment for segment in reversed(self._segments) if segment.first <= ordinal)
            position = _HEADER
            for _ in range(ordinal - segment.first):
                position = segment.map.find(b"\n", position) + 1
            self._reading, self._position, self._next = segment, position, ordinal
            return ordinal

    def release(self, appended: int, committed: int) -> None:
        """Free whole segments that are committed, and keep one ready, so that a caller seldom has to make one."""
        with self._exclusively():
            self._appended = appended
            self._drop_through(committed)
            wanted = self._writable and self._spare is None and self.accepted > 0
        if wanted and self._segments[-1].end > SEGMENT_SIZE // 4:
            spare = self._create()  # slow, so outside the lock
            with self._exclusively():
                self._spare, spare = self._spare or spare, self._spare and spare
            if spare:
                spare.remove()

    def close(self, committed: int) -> None:
        """Remove the folder where everything is committed; otherwise leave it for others to adopt."""
        with self._lock:
            if self._spare:
                self._spare.remove()
                self._spare = None
            done = committed >= self.accepted
            for segment in self._segments:
                if done:
                    segment.remove()
                else:
                    segment.close()
            if done:
                (self._folder / "lock").unlink(missing_ok=True)
                _remove_folder(self._folder)
            self._segments.clear()
            self._reading = None
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    def abandon(self) -> None:
        """In a forked child: close the descriptor (which does not unlock it for the parent) and the maps."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None
        for segment in (*self._segments, *((self._spare,) if self._spare else ())):
            segment.close()

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
            self._reading, self._position = self._segments[0], _HEADER
        while self._reading is not None and self._position == self._reading.end:
            if self._reading is self._segments[-1]:
                return None
            self._reading = self._segments[self._segments.index(self._reading) + 1]
            self._position, self._next = _HEADER, self._reading.first
        return self._reading

    def _append_to_next(self, line: bytes) -> bool:
        """Begin the next segment with this line; refuse it where there is no space for one."""
        first = self.accepted + 1
        if len(self._segments) >= self._max_segments:
            self._drop_through(self._appended)
        if len(self._segments) >= self._max_segments:
            self.refused["buffer_full"] += 1
            return False
        segment, self._spare = self._spare or self._create(), None
        if segment is None:
            self.refused["spool_full"] += 1
            return False
        segment.start(first)
        kept = segment.append(line)
        self._segments.append(segment)
        return kept

    def _create(self) -> Segment | None:
        try:
            path = self._folder / f"{next(self._names):08d}.segment"
            return Segment.create(path, bytes.fromhex(self.producer), self.service)
        except OSError:
            return None

    def _drop_through(self, ordinal: int) -> None:
        """Drop the whole segments up to an ordinal; the one that is written to or read from stays."""
        while len(self._segments) > 1 and self._segments[0].last <= ordinal:
            if self._segments[0] is self._reading:
                if self._position < self._segments[0].end:
                    break
                self._reading, self._position, self._next = self._segments[1], _HEADER, self._segments[1].first
            segment = self._segments.popleft()
            if self._spare is None and self._writable:
                self._spare = segment
            else:
                segment.remove()


def spool_root(spool_dir: str | os.PathLike[str] | None, host: str, port: int, database: int) -> Path:
    """Where the producers of one Redis keep their folders: tmpfs, unless a folder is given."""
    if spool_dir is None:
        shared = Path("/dev/shm")  # noqa: S108  # checked to be ours before use
        base = shared if shared.is_dir() and os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
        spool_dir = base / f"tocsin-{os.geteuid()}"
    name = "127.0.0.1" if host in ("localhost", "::1") else host
    return Path(spool_dir) / f"{name}_{port}_{database}".replace("/", "_")


def orphans(root: Path) -> Iterator[SpoolBuffer]:
    """The buffers under `root` that nobody holds, locked for us."""
    if not root.is_dir():
        return
    for folder in root.iterdir():
        if folder.name.startswith("."):
            _remove_stillborn(folder)
        elif _PRODUCER.fullmatch(folder.name) and (buffer := SpoolBuffer.adopt(folder)):
            yield buffer


def _private_folder(root: Path) -> None:
    """Make the folder for us alone; refuse one that another user made before us (as anyone can in /dev/shm)."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (root, root.parent):
        status = folder.lstat()
        if status.st_uid not in (os.geteuid(), 0) or (status.st_mode & 0o022 and not status.st_mode & 0o1000):
            raise PermissionError(f"{folder} is writable by others or not ours: refusing to keep log records there")


def _try_lock(folder: Path) -> int | None:
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_stillborn(folder: Path) -> None:
    """What a process left that died between making its folder and naming it, which takes no time at all."""
    try:
        if time.time() - folder.stat().st_mtime < _STILLBORN_AFTER:
            return
    except OSError:
        return  # it has its name by now
    lock_file = _try_lock(folder)
    if lock_file is not None:
        (folder / "lock").unlink(missing_ok=True)
        _remove_folder(folder)
        os.close(lock_file)


def _remove_folder(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        pass  # somebody else's file is in there, or it is gone already
