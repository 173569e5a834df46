"""Whether a file is a copy of one that was read, also one that was packed: what rotation makes of a file in place."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rules.file_marks import MARK, head_of, tail_at
from rules.position import Position
from rules.reading.packed import HEAD, Unpacked, format_of, is_archive
from rules.reading.source import File, Source, SourceError

_PIECE = 1 << 18  # bytes that are unpacked at once


@contextmanager
def text_of(fd: int, path: str) -> Iterator[Source]:
    """What is in an open file, unpacked; the descriptor stays open.

    Raises:
        SourceError: it is packed by what is not installed.
    """
    with File(path, os.dup(fd)) as file:
        try:
            form = format_of(file.head(HEAD))
        except ImportError as error:
            raise SourceError(path, "is packed by zstd, which needs `pip install 'tocsin[zstd]'`") from error
        yield Unpacked(file, form) if form else file


def holds(fd: int, read: Position) -> bool:
    """Whether a file begins with what was read of another one, as far as the marks of that one tell.

    One that ends before was copied before the rest was read: then its beginning must be long enough to tell.

    Raises:
        OSError: it cannot be unpacked.
    """
    if is_archive(head_of(fd)):
        return made_of(fd, [read]) is not None
    if os.pread(fd, len(read.head), 0) != read.head:
        return False
    known = os.fstat(fd).st_size >= read.offset > 0
    return tail_at(fd, read.offset) == read.tail if known else len(read.head) == MARK


def made_of(fd: int, read: Iterable[Position]) -> Position | None:
    """Which of these files an archive was made of: of several that it may be, the one that was read furthest.

    Raises:
        OSError: the archive is damaged, or is still being written.
    """
    found = None
    with text_of(fd, "") as source:
        text = _unpacked(source, MARK)
        head, count = text, len(text)
        for each in sorted(read, key=lambda each: each.offset):
            while count < each.offset and (more := _unpacked(source, min(each.offset - count, _PIECE))):
                text, count = (text + more)[-2 * MARK :], count + len(more)
            before = text[: len(text) - (count - each.offset)]
            known = count >= each.offset > 0
            if head.startswith(each.head) and (before[-MARK:] == each.tail if known else len(each.head) == MARK):
                found = each
    return found


def _unpacked(source: Source, length: int) -> bytes:
    """So many bytes of the text; fewer at its end."""
    memory = bytearray(length)
    count = 0
    while count < length and (more := source.read(memoryview(memory)[count:])):
        count += more
    return bytes(memory[:count])
