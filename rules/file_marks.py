"""What tells a scanned file from another one: its first bytes, and the last ones that were read of it.

An inode is used again, a file is emptied and written anew, and services begin their files alike; so neither the inode
nor the first bytes are enough.
"""

import os
from enum import Enum, auto

MARK = 256  #: bytes at each of the two places


class Fate(Enum):
    """What became of a file since it was read."""

    SAME = auto()  #: what was read is still there
    CUT = auto()  #: its end was cut off, behind its first bytes
    ANEW = auto()  #: it holds something else


def head_of(fd: int) -> bytes:
    """The first bytes of a file."""
    return os.pread(fd, MARK, 0)


def tail_at(fd: int, offset: int) -> bytes:
    """The last bytes of a file before an offset."""
    begin = max(0, offset - MARK)
    return os.pread(fd, offset - begin, begin)


def fate(fd: int, head: bytes, tail: bytes, offset: int, end: int) -> Fate:
    """What became of a file that was read to `offset`, where `tail` ended, and known to go on to `end`.

    One that is shorter and begins alike was cut, if it is longer than a mark: for a file is emptied and begins with the
    same line as before more often than it is cut so short.
    """
    size = os.fstat(fd).st_size
    if os.pread(fd, len(head), 0) != head or (size >= offset and tail_at(fd, offset) != tail):
        return Fate.ANEW
    if size >= end:
        return Fate.SAME
    return Fate.CUT if len(head) == MARK else Fate.ANEW


def is_prefix(fd: int, longer: int) -> bool:
    """Whether one file holds what the other begins with, as far as their marks tell."""
    size = os.fstat(fd).st_size
    return (
        0 < size <= os.fstat(longer).st_size
        and head_of(fd) == os.pread(longer, min(MARK, size), 0)
        and tail_at(fd, size) == tail_at(longer, size)
    )
