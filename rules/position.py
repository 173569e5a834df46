"""How far one log file was read: a position, as Redis holds it."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import orjson

from rules.ranges import Range
from rules.reading.packed import is_archive


@dataclass(frozen=True, slots=True)
class Position:
    """How far one file was read."""

    path: str
    identity: str  #: `<device>:<inode>`
    offset: int = 0
    cut: bool = False  #: whether `offset` is inside a line whose rest is to be skipped
    revision: int = 0  #: of what Redis holds: 0 for nothing
    head: bytes = b""  #: the file's first bytes
    tail: bytes = b""  #: the last bytes before `offset`
    archived: int = 0  #: bytes of an archive that was read to its end; 0: not yet, or no archive
    ranges: tuple[Range, ...] = ()  #: what is read in ranges from `offset` on and was not read yet
    end: int = 0  #: of all those ranges

    @property
    def is_archive(self) -> bool:
        """Whether the file is one, and what was read is its text."""
        return is_archive(self.head)

    @property
    def reach(self) -> int:
        """What the file was known to go on to."""
        return self.end if self.ranges else self.offset

    @classmethod
    def decoded(cls, identity: str, fields: Mapping[bytes, bytes]) -> Self:
        """What the fields of its hash say."""
        ranges = orjson.loads(fields.get(b"ranges", b"{}"))
        return cls(
            path=os.fsdecode(fields[b"path"]),
            identity=identity,
            offset=int(fields[b"offset"]),
            cut=fields.get(b"cut") == b"1",
            revision=int(fields[b"revision"]),
            head=fields[b"head"],
            tail=fields.get(b"tail", b""),
            archived=int(fields.get(b"archived", 0)),
            ranges=tuple(sorted(Range(int(start), int(end)) for start, end in ranges.items())),
            end=int(fields.get(b"end", 0)),
        )


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of the regular file at `path`.

    Raises:
        OSError: where there is none; a pipe or a device is never waited for.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"not a regular file: {path!r}")
        yield fd
    finally:
        os.close(fd)
