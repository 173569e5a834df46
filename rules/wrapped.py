"""Records whose every line stands behind something else: a container runtime's JSON, a stream's name, a syslog header.

They are taken out from around one match, so that what reads plain records reads them too.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container
from typing import NamedTuple

from rules.layouts import Layouts, Wrapped
from rules.records import ABOVE, LOOK
from rules.tracebacks import Text, line_end

LIMITS = 20, 300  #: lines of one record that are looked at, and where these do not reach its end
OTHERS_LIMIT = 400  #: lines of others between two of its lines
SHAPE = bytes.maketrans(b"123456789", b"0" * 9)  #: of a prefix: what is the same whatever its digits

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
    shape, width = prefix.translate(SHAPE), len(prefix)

    def content(line: bytes) -> Wrapped | None:
        if line[:width].translate(SHAPE) != shape:
            return None
        return Wrapped(line[width:], "", b" ".join(_PROCESS.findall(line, 0, width)), partial=False)

    return content


class Streams:
    """The streams that are mixed in a text; each line is taken out once, when it is first near one that is asked for.

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
        self._starts: list[int] = []  # of lines that follow each other
        self._lines: list[Wrapped | None] = []
        self._of: dict[bytes, list[int]] = {}  # key -> numbers of its lines
        self._next = 0  # where the line behind them starts

    def around(self, start: int, used: Container[int], limit: int) -> Unwrapped | None:
        """The stream of the line at `start`: from the header above it to the one below; None where it is not wrapped.

        Lines are asked for in their order; those that are `used` and what is above them are left out.
        """
        number = self._number(start)
        own = self._lines[number]
        if own is None:
            return None
        numbers = self._of[own.key]
        at = bisect_left(numbers, number)
        first = at if self._layouts.begins(own.content) else self._first(numbers, at, used)
        last, has_more, is_open = self._last(numbers, at, limit)
        parts: list[bytes] = []
        starts: list[int] = []
        places: list[int] = []
        offset = match_at = 0
        is_going_on = False
        for index in range(first, last + 1):
            line = self._lines[numbers[index]] or own
            if not is_going_on:
                starts.append(offset)
                places.append(self._starts[numbers[index]])
            if index == at:
                match_at = starts[-1]
            is_going_on = line.partial
            part = line.content.rstrip(b"\n") + (b"" if line.partial else b"\n")
            parts.append(part)
            offset += len(part)
        return Unwrapped(b"".join(parts), match_at, starts, places, own.timestamp, has_more, is_open)

    def _first(self, numbers: list[int], at: int, used: Container[int]) -> int:
        first = at
        while first and at - first < ABOVE and numbers[at] - numbers[first - 1] <= self._above_limit:
            if self._starts[numbers[first - 1]] in used:
                break
            first -= 1
            line = self._lines[numbers[first]]
            if line and self._layouts.begins(line.content):
                break
        return first

    def _last(self, numbers: list[int], at: int, limit: int) -> tuple[int, bool, bool]:
        """(last line of the record, whether the limit ended it, whether the text did)."""
        last = at
        while True:
            while len(numbers) == last + 1 and len(self._lines) <= numbers[last] + OTHERS_LIMIT:
                if not self._read():
                    return last, False, True
            if len(numbers) == last + 1 or numbers[last + 1] - numbers[last] > OTHERS_LIMIT:
                return last, False, False
            line, following = self._lines[numbers[last]], self._lines[numbers[last + 1]]
            if line and following and not line.partial and self._layouts.begins(following.content):
                return last, False, False
            if last - at == limit:
                return last, True, False
            last += 1

    def _number(self, start: int) -> int:
        if start >= self._next:
            begin = start
            for _ in range(self._above_limit):
                if begin <= self._next:
                    break
                begin = self._text.rfind(b"\n", 0, begin - 1) + 1
            if begin > self._next:
                self._starts, self._lines, self._of, self._next = [], [], {}, begin
            while self._next <= start:
                self._read()
        return bisect_left(self._starts, start)

    def _read(self) -> bool:
        start = self._next
        if start >= self._size:
            return False
        end = line_end(self._text, start, self._size)
        line = self._content(bytes(self._text[start : min(end, start + LOOK)]))
        if line:
            self._of.setdefault(line.key, []).append(len(self._lines))
        self._starts.append(start)
        self._lines.append(line)
        self._next = end + 1
        return True
