"""One file of a spool: a header, then lines, mapped by the process that writes it and read whole by one that adopts it.

    words 0 to 4, native 64 bits    magic, the two halves of the producer's id, the first ordinal, where the lines end
    bytes 40 to 103                 the service's name
    word 13                         how many lines, where that is known: in a file that was spilled; else 0
    from byte 128                   lines of JSON

The end is stored after the line itself, so a process that dies while it writes leaves no torn line. Consecutive
segments that are spilled together make one file, of the same form and longer.
"""

import mmap
import os
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SIZE = 1024 * 1024
HEADER = 128
LONGEST_LINE = SIZE - HEADER
SPILLED_AT_ONCE = 4  #: segments in one file, which is read whole
_SERVICE = slice(40, 104)  # at most 64 characters of ASCII
_MAGIC = int.from_bytes(b"TOCSIN01", sys.byteorder)
_FIRST, _END = 3, 4  # words of the header
_HEADER = struct.Struct("=Q16sQQ64sQ16x")


def cut(data: bytes | mmap.mmap, start: int, end: int, max_bytes: int) -> int:
    """Where a batch ends that begins at `start`: at a line's end, at most so many bytes on, but one line at least."""
    if end - start <= max_bytes:
        return end
    last = data.rfind(b"\n", start, start + max_bytes)
    return (last if last >= 0 else data.find(b"\n", start, end)) + 1


def skip(data: bytes | mmap.mmap, lines: int) -> int:
    """The offset behind so many lines."""
    position = HEADER
    for _ in range(lines):
        position = data.find(b"\n", position) + 1
    return position


class Segment:
    """A segment that this process writes to."""

    def __init__(self, path: Path, producer: bytes, service: str) -> None:
        """Make the file, really allocated: a sparse one would kill the process by SIGBUS when tmpfs is full.

        Raises:
            OSError: no space, no folder.
        """
        self.path = path
        self.first = self.count = 0
        self.end = HEADER
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
            self.map = mmap.mmap(descriptor, SIZE, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        self.map[8:24] = producer
        self.map[_SERVICE] = service.encode().ljust(64, b"\0")
        self._words = memoryview(self.map)[:HEADER].cast("Q")
        self._words[_END] = HEADER
        self._words[0] = _MAGIC

    @property
    def last(self) -> int:
        """The last record's ordinal."""
        return self.first + self.count - 1

    def start(self, first: int) -> None:
        """Begin to number from here, with no line."""
        self._words[_END] = self.end = HEADER
        self._words[_FIRST] = self.first = first
        self.count = 0

    def append(self, line: bytes) -> bool:
        """Copy a line in, then publish it; False: no room."""
        end = self.end + len(line)
        if end > SIZE:
            return False
        self.map[self.end : end] = line
        self._words[_END] = end  # one aligned store: the line is there, or it is not
        self.count += 1
        self.end = end
        return True

    @property
    def lines(self) -> bytes:
        """A copy of what is in it."""
        return self.map[HEADER : self.end]

    def close(self) -> None:
        """Unmap; the file stays."""
        self._words.release()
        self.map.close()

    def remove(self) -> None:
        """Unmap and delete."""
        self.close()
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Found:
    """A segment in a file that nobody writes to any more."""

    path: Path
    service: str
    first: int
    count: int
    end: int
    written: float  #: Unix seconds

    @property
    def last(self) -> int:
        """The last record's ordinal."""
        return self.first + self.count - 1

    @classmethod
    def read(cls, path: Path, producer: bytes) -> "Found | None":
        """What a file holds; None: no record of this producer.

        Raises:
            OSError: it cannot be read.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            status, header = os.fstat(descriptor), os.pread(descriptor, HEADER, 0)
        finally:
            os.close(descriptor)
        if len(header) < HEADER:
            return None
        magic, owner, first, end, name, count = _HEADER.unpack(header)
        if magic != _MAGIC or owner != producer or not HEADER < end <= min(status.st_size, SPILLED_AT_ONCE * SIZE):
            return None
        if not count:
            count = read_bytes(path).count(b"\n", HEADER, end)
        return cls(path, name.rstrip(b"\0").decode("ascii", "replace"), first, count, end, status.st_mtime)


def spilled(producer: bytes, service: str, first: int, count: int, bodies: Sequence[bytes]) -> list[bytes]:
    """The parts of a file that holds the lines of consecutive segments."""
    end = HEADER + sum(map(len, bodies))
    return [_HEADER.pack(_MAGIC, producer, first, end, service.encode(), count), *bodies]


def read_bytes(path: Path) -> bytes:
    """The whole file, which is no link.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return os.read(descriptor, SPILLED_AT_ONCE * SIZE)
    finally:
        os.close(descriptor)
