"""A huge file cut into ranges of whole records, which several workers read at once and in any order."""

import os
from itertools import pairwise
from typing import Final, NamedTuple

from rules.layouts import Layouts, Times

HUGE: Final = 256 << 20  #: bytes that are unread: from then on a file is cut
RANGE: Final = 64 << 20  #: bytes of a range, about
MOST: Final = 64  #: ranges at a time; what lies behind them is cut when they are read
_LOOK = 1 << 16  # bytes in which the beginning of a record is looked for


class Range(NamedTuple):
    """Whole records of a file, by offsets in bytes."""

    start: int
    end: int


def cut(fd: int, start: int, length: int, most: int = MOST) -> list[Range]:
    """Ranges that follow each other from `start` on; what is left behind them is shorter than two.

    Args:
        fd: the file.
        start: where a record begins.
        length: of a range, bytes.
        most: ranges.
    """
    size = os.fstat(fd).st_size
    bounds = [start]
    for at in range(start + length, size - length, length):
        bound = _beginning(fd, at)
        if bound is not None and bound > bounds[-1]:
            bounds.append(bound)
        if len(bounds) > most:
            break
    return [Range(*pair) for pair in pairwise(bounds)]


def _beginning(fd: int, at: int) -> int | None:
    """Where the first record behind an offset begins, or, where none is seen, a line; None: a line is too long."""
    text = os.pread(fd, _LOOK, at)
    layouts = Layouts(Times())
    first = line = text.find(b"\n") + 1
    while line and (end := text.find(b"\n", line)) >= 0:
        content = text[line:end]
        inside = layouts.unwrap(content)
        if layouts.begins(inside.content if inside else content):
            return at + line
        line = end + 1
    return at + first if first else None
