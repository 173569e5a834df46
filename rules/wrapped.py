"""Records whose every line stands behind something else: a container runtime's JSON, a stream's name, a syslog header.

They are taken out from around one match, so that what reads plain records reads them too.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from rules.layouts import Layouts, Wrapped
from rules.records import ABOVE, LOOK
from rules.tracebacks import Text, line_end

LINES_LIMIT = 300  #: of one record
OTHERS_LIMIT = 400  #: lines of others between two of its lines

_SHAPE = bytes.maketrans(b"123456789", b"0" * 9)

Content = Callable[[bytes], Wrapped | None]


class Unwrapped(NamedTuple):
    """The lines of one stream around a place, without what stood before them."""

    text: bytes
    at: int  #: where the line of the match starts in it
    starts: list[int]  #: of the lines in it
    places: list[int]  #: where each line starts in the text it came from
    timestamp: str  #: of the line of the match

    def place(self, offset: int) -> int:
        """Where the line at an offset of `text` starts in the text it came from."""
        return self.places[bisect_right(self.starts, offset) - 1]

    def within(self, start: int, end: int) -> list[int]:
        """The places of the lines from `start` to `end`."""
        return [place for line, place in zip(self.starts, self.places, strict=True) if start <= line < end]


def behind(prefix: bytes) -> Content:
    """What stands behind a prefix of this shape, whatever its digits."""
    shape, width = prefix.translate(_SHAPE), len(prefix)

    def content(line: bytes) -> Wrapped | None:
        if line[:width].translate(_SHAPE) != shape:
            return None
        return Wrapped(line[width:], "", b"", partial=False)

    return content


def unwrapped(text: Text, start: int, floor: int, size: int, content: Content, layouts: Layouts) -> Unwrapped | None:
    """The stream of the line at `start`: from the header above it to the one below; None where it is not wrapped."""
    own = content(_line(text, start, size))
    if own is None:
        return None
    lines = [(start, own)]
    if not layouts.begins(own.content):
        lines = _above(text, start, floor, content, own.key, layouts) + lines
    at = len(lines) - 1
    lines += _below(text, start, size, content, own, layouts)
    parts: list[bytes] = []
    starts: list[int] = []
    places: list[int] = []
    offset = match_at = 0
    is_going_on = False
    for number, (place, line) in enumerate(lines):
        if not is_going_on:
            starts.append(offset)
            places.append(place)
        if number == at:
            match_at = starts[-1]
        is_going_on = line.partial
        part = line.content.rstrip(b"\n") + (b"" if line.partial else b"\n")
        parts.append(part)
        offset += len(part)
    return Unwrapped(b"".join(parts), match_at, starts, places, own.timestamp)


def _above(
    text: Text, start: int, floor: int, content: Content, key: bytes, layouts: Layouts
) -> list[tuple[int, Wrapped]]:
    found: list[tuple[int, Wrapped]] = []
    line = start
    for _ in range(OTHERS_LIMIT):
        if line <= floor or len(found) == ABOVE:
            break
        line = max(text.rfind(b"\n", floor, line - 1) + 1, floor)
        wrapped = content(_line(text, line, start))
        if wrapped is None or wrapped.key != key:
            continue
        found.insert(0, (line, wrapped))
        if layouts.begins(wrapped.content):
            break
    return found


def _below(
    text: Text, start: int, size: int, content: Content, own: Wrapped, layouts: Layouts
) -> list[tuple[int, Wrapped]]:
    found: list[tuple[int, Wrapped]] = []
    line, others, partial = start, 0, own.partial
    while others < OTHERS_LIMIT and len(found) < LINES_LIMIT:
        line = line_end(text, line, size) + 1
        if line >= size:
            break
        wrapped = content(_line(text, line, size))
        if wrapped is None or wrapped.key != own.key:
            others += 1
            continue
        if not partial and layouts.begins(wrapped.content):
            break
        found.append((line, wrapped))
        others, partial = 0, wrapped.partial
    return found


def _line(text: Text, start: int, size: int) -> bytes:
    return bytes(text[start : min(line_end(text, start, size), start + LOOK)])
