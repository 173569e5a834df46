"""Parts of a file that are read by several processes, each whole lines."""

from typing import Final

from rules.reading.source import Source

_STEP: Final = 1 << 16  # bytes


def aligned(source: Source, offset: int, before: int | None = None) -> int:
    """Where the first line at or behind an offset begins; the source stands there then.

    Args:
        source: what can be sought in.
        offset: bytes; the beginning of a part.
        before: the end of the part, else of the file: the answer where no line begins in it, so that all parts of a
            file together look at each byte once.

    Raises:
        SourceError: it cannot be read, or read forward only.
    """
    found = _line_start(source, offset, before)
    source.seek(found)
    return found


def _line_start(source: Source, offset: int, before: int | None) -> int:
    if not offset:
        return 0
    memory = bytearray(_STEP)
    at = offset - 1  # a line end right before the offset makes it a beginning
    source.seek(at)
    while before is None or at < before - 1:
        count = source.read(memoryview(memory))
        if not count:
            return at if before is None else before
        end = memory.find(b"\n", 0, count)
        if end >= 0:
            return at + end + 1 if before is None else min(at + end + 1, before)
        at += count
    return before
