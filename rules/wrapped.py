"""Records whose every line stands behind something else: a container runtime's JSON, a stream's name, a syslog header.

They are taken out from around one match, so that what reads plain records reads them too.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Container
from typing import NamedTuple

from rules.layouts import Layouts, Wrapped
from rules.records import ABOVE, LOOK
from rules.tracebacks import Text, line_end

LIMITS = 20, 300  #: lines of one record that are looked at, and where these do not reach its end
OTHERS_LIMIT = 400  #: lines of others between two of its lines
_SHAPE = bytes.maketrans(b"123456789", b"0" * 9)  #: of a prefix: what is the same whatever its digits

_PROCESS = re.compile(rb"[\[(](\d+)[\])]")

Content = Callable[[bytes], Wrapped | None]


class Unwrapped(NamedTuple):
    """The lines of one stream around a place, without what stood before them."""

    text: bytes
    at: int  #: where the line of the match starts in it
    starts: list[int]  #: of the lines in it
    places: list[int]  #: where each line starts in the text it came from
    timestamp: str  #: of the line of the match
    has_more: bool  #: whether more lines of the stream follow
    is_open: bool  #: whether the text it came from ends before it is known how the stream goes on

    def place(self, offset: int) -> int:
        """Where the line at an offset of `text` starts in the text it came from."""
        return self.places[bisect_right(self.starts, offset) - 1]

    def within(self, start: int, end: int) -> list[int]:
        """The places of the lines from `start` to `end`."""
        return [place for line, place in zip(self.starts, self.places, strict=True) if start <= line < end]


def behind(prefix: bytes) -> Content:
    """What stands behind a prefix of this shape, whatever its digits; those of a process in brackets tell streams."""
    shape, width = prefix.translate(_SHAPE), len(prefix)

    def content(line: bytes) -> Wrapped | None:
        if line[:width].translate(_SHAPE) != shape:
            return None
        return Wrapped(line[width:], "", b" ".join(_PROCESS.findall(line, 0, width)), partial=False)

    return content


class Streams:
    """The streams that are mixed in a text; each line is taken out once, when it is looked at first.

    Args:
        size: bytes of the text that are looked at.
        above: lines above one that is asked for that are looked at.
    """

    def __init__(self, text: Text, size: int, content: Content, layouts: Layouts, above: int = OTHERS_LIMIT) -> None:
        self._text = text
        self._size = size
        self._content = content
        self._layouts = layouts
        self._above_limit = above
        self._lines: dict[int, Wrapped | None] = {}  # by where they start, as all below
        self._before: dict[int, int | None] = {}  # the line before it in its stream; None where none is near
        self._behind: dict[int, int | None] = {}

    def around(self, start: int, used: Container[int], limit: int) -> Unwrapped | None:
        """The stream of the line at `start`: from the header above it to the one below; None where it is not wrapped.

        Lines that are `used` and what is above them are left out.
        """
        own = self._line(start)
        if own is None:
            return None
        lines = [(start, own)]
        if not self._layouts.begins(own.content):
            lines += self._first(start, own, used)
            lines.reverse()
        at = len(lines) - 1
        below, has_more, is_open = self._rest(start, own, limit)
        lines += below
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
        return Unwrapped(b"".join(parts), match_at, starts, places, own.timestamp, has_more, is_open)

    def _first(self, start: int, own: Wrapped, used: Container[int]) -> list[tuple[int, Wrapped]]:
        """The lines above, the nearest first."""
        found: list[tuple[int, Wrapped]] = []
        last = start
        while len(found) < ABOVE and (place := self._above(last, own.key)) is not None and place not in used:
            line = self._line(place)
            if line is None:
                break
            found.append((place, line))
            last = place
            if self._layouts.begins(line.content):
                break
        return found

    def _rest(self, start: int, own: Wrapped, limit: int) -> tuple[list[tuple[int, Wrapped]], bool, bool]:
        """The lines below, whether the limit ended them, whether the text did."""
        found: list[tuple[int, Wrapped]] = []
        last, partial = start, own.partial
        while True:
            place = self._below(last, own.key)
            line = None if place is None else self._line(place)
            if place is None or line is None:
                return found, False, place is not None
            if not partial and self._layouts.begins(line.content):
                return found, False, False
            if len(found) == limit:
                return found, True, False
            found.append((place, line))
            last, partial = place, line.partial

    def _above(self, start: int, key: bytes) -> int | None:
        if start not in self._before:
            place, following = start, None
            for _ in range(self._above_limit):
                if not place:
                    break
                place = self._text.rfind(b"\n", 0, place - 1) + 1
                if (line := self._line(place)) and line.key == key:
                    following = place
                    break
            self._before[start] = following
        return self._before[start]

    def _below(self, start: int, key: bytes) -> int | None:
        """The end of the text where that comes first."""
        if start not in self._behind:
            place, following = start, None
            for _ in range(OTHERS_LIMIT):
                place = line_end(self._text, place, self._size) + 1
                if place >= self._size or ((line := self._line(place)) and line.key == key):
                    following = place
                    break
            self._behind[start] = following
        return self._behind[start]

    def _line(self, start: int) -> Wrapped | None:
        if start >= self._size:
            return None
        if start not in self._lines:
            end = line_end(self._text, start, self._size)
            self._lines[start] = self._content(bytes(self._text[start : min(end, start + LOOK)]))
        return self._lines[start]


class MixedStreams:
    """The streams that are mixed in a window: those of containers, or behind a prefix.

    Args:
        size: bytes of whole lines in the window.
    """

    def __init__(self, text: Text, size: int, layouts: Layouts, *, is_wrapped: bool) -> None:
        self._text = text
        self._size = size
        self._layouts = layouts
        self.containers = Streams(text, size, layouts.unwrap, layouts) if is_wrapped else None
        self._shape = b""
        self._behind: Streams | None = None  # a prefix of that shape

    def of(self, at: int, *, is_mark: bool) -> Streams | None:
        """Those that the match at `at` may be in."""
        if self.containers or not is_mark or not at or self._text[at - 1] == ord("\n"):
            return self.containers
        prefix = _prefix(self._text, at, self._size)
        if prefix is None:
            return None
        shape = prefix.translate(_SHAPE)
        if self._behind is None or shape != self._shape:
            self._shape = shape
            self._behind = Streams(self._text, self._size, behind(prefix), self._layouts, above=0)
        return self._behind


def _prefix(text: Text, at: int, size: int) -> bytes | None:
    """What stands before a traceback, if it stands before the next line too; a record in JSON is whole in one line."""
    start = text.rfind(b"\n", 0, at) + 1
    prefix = bytes(text[start:at]).removesuffix(b"+ Exception Group ").rstrip(b" ")
    if at - start > LOOK or not prefix or b'{"' in prefix:
        return None
    prefix = bytes(text[start : start + len(prefix) + (at - start > len(prefix))])
    following = line_end(text, at, size) + 1
    return prefix if behind(prefix)(bytes(text[following : following + len(prefix)])) else None
